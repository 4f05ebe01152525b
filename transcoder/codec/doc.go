// Package codec translates messages between JSON and the protobuf wire format
// by tables that are compiled from descriptors, without ever building a message
// object.
//
// [New] compiles every message of a schema once into a [Message], a table of
// its fields by number and by name. From then on a translation is one walk over
// the input that appends to the caller's buffer: [Message.AppendWire] reads
// JSON and writes wire bytes, [Message.AppendJSON] the reverse. The [Field]
// methods do the same for one field of a message, and for one value given as
// text, as a URL has it; since concatenating two serialized messages merges
// them, what they append simply completes a message.
//
// The mapping is the one of protobuf's JSON format, and the referee for every
// doubt is protobuf's own Go implementation (protojson): what it accepts and
// refuses, and the message that comes of it, are the same here, but for these
// differences:
//
//   - messages nest at most 100 deep, unless [Scratch.MaxDepth] says otherwise,
//     and a google.protobuf.Any does not start the count again;
//   - text that is not JSON, such as the number 1e, is refused;
//   - an Any whose "@type" comes first is read once, so the JSON in it may nest
//     as deep as elsewhere; Anys in Anys that all have it last are refused when
//     they would be read too often.
//
// JSON output is deterministic: fields in the order of their numbers, map
// entries by key, no spaces. Unknown fields are left out of it, and refused in
// JSON input. Message sets have no JSON form.
//
// [Print] chooses another form of the output, for which [NewPrinting] compiles
// other tables, [AppendIndented] makes it pretty, and [Parse] has what input is
// accepted beyond the mapping. The referee has the same options, and the
// results are the same, but that with unknown fields ignored an unknown name of
// an enum's value is an error here.
//
// Parts of messages are reached without the whole: [Message.AppendMask] lists
// the fields that a JSON body names, as a PATCH has to, [Mask.AppendCut] reduces
// a serialized message to the fields that a client asked for, and
// [AppendValueText] and [FieldNumberValue] read one field of it. What a query may
// hold beside scalars is read by [Field.AppendEntry] and [Field.AppendJSONText].
// The way back, from a message to a request, are [AppendURLText], [Field.AppendSetJSON]
// and, for what is left ([Message.Without]), [Mask.AppendQuery].
//
// All memory that a translation needs beyond the output lives in a [Scratch],
// so in a steady state nothing is allocated.
//
// The package is complete for what it says, and checked against the referee
// with random descriptors and messages and by protobuf's conformance suite.
package codec
