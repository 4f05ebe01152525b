// Functions of Google Cloud. Each is served by a process of its own.
"use strict";

const functions = require("@google-cloud/functions-framework");

// The answers that wait for a request to /go.
const waiting = [];

functions.http("http", (req, res) => {
  switch (req.path) {
    case "/status":
      res.status(Number(req.query.code)).set("x-function", "http").append("set-cookie", "a=1").append("set-cookie", "b=2").send("said so");
      return;
    case "/crash":
      throw new RangeError("short and stout");
    case "/stream":
      // The second event is written when somebody has asked for it.
      res.set("content-type", "text/event-stream");
      res.write("data: first\n\n");
      waiting.push(() => res.end("data: second\n\n"));
      return;
    case "/go":
      waiting.splice(0).forEach((end) => end());
      res.status(204).end();
      return;
    default:
      res.json({
        method: req.method, path: req.path, url: req.originalUrl, query: req.query,
        headers: req.headers, body: req.rawBody ? req.rawBody.toString("base64") : "",
      });
  }
});

// Events go to a server of the test.
functions.cloudEvent("event", async (event) => {
  if (event.type === "com.example.bad") {
    throw new RangeError("short and stout");
  }
  await fetch(process.env.TEST_HEARD, { method: "POST", body: JSON.stringify(event) });
});
