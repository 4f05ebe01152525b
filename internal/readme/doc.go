// Package readme holds a test alone: it runs the command lines of README.md
// against `dragoman demo` and compares what they print.
package readme
