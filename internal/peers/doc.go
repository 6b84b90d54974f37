// Package peers measures Dovetail beside what people would otherwise use, in one run and under the same conditions. It is a
// module of its own, so that nobody who uses Dovetail downloads any of it. See README.md for how to run it and what came out.
package peers
