// Package npmtest holds tests alone: functions in JavaScript, served by programs
// of npm that nobody here wrote, behind the kinds that call functions. install.sh
// installs the programs, in the versions of the lock files; without them the
// tests are skipped.
//
// serverless-offline (lambda) is an emulator of AWS Lambda that owes nothing to
// internal/lambdatest: what the two agree on is no mistake of one author. It also
// emulates API Gateway and load balancers in front of its functions, so that the
// events that the gateway makes, and what it makes of answers, can be compared
// with another program's. What it cannot do: streams of answers and dry runs are
// not there; signatures, qualifiers, versions and limits are not looked at; the
// type of every error is "Error"; and a function that fails when nobody waits for
// it ends the emulator, so that no test lets it.
//
// Google's functions framework (google) is what Google runs functions written in
// JavaScript with. It asks for no tokens: internal/googletest's door stands before it,
// and verifies them. Attributes of events that come in headers it hands to functions
// as they are, where CloudEvents says that they are to be decoded.
package npmtest
