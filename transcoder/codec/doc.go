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
// refuses, and the message that comes of it, are the same here. JSON output is
// deterministic: fields in the order of their numbers, map entries by key, no
// spaces. Where it differs from the referee is told at the functions.
//
// All memory that a translation needs beyond the output lives in a [Scratch],
// so in a steady state nothing is allocated.
package codec
