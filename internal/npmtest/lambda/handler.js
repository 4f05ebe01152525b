// Functions of AWS Lambda, as serverless.yml names them.
"use strict";

// The event itself.
exports.echo = async (event) => event;

// What is known beside the event.
exports.context = async (event, context) => ({
  clientContext: context.clientContext,
  functionName: context.functionName,
  requestId: context.awsRequestId,
});

// The event as the body of an answer. It has no type: the emulated load balancer
// cannot send one.
exports.seen = async (event) => ({ statusCode: 207, body: JSON.stringify(event) });

// The body of the request as that of the answer, base64 or not.
exports.body = async (event) => ({
  statusCode: 200,
  headers: { "content-type": event.isBase64Encoded ? "application/octet-stream" : "text/plain" },
  body: event.body,
  isBase64Encoded: event.isBase64Encoded,
});

// The answer that the body of the request is.
exports.answers = async (event) => JSON.parse(event.body);

exports.fails = async () => {
  throw new RangeError("short and stout");
};

// A side effect for callers that do not wait: the event goes to a server of the test.
exports.tell = async (event) => {
  await fetch(process.env.TEST_HEARD, { method: "POST", body: JSON.stringify(event) });
};
