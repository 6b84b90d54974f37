// Package faultproxy stands between a client and a server, in tests, and breaks their connections: at a byte, in one direction or both,
// with a farewell or without. What both sides then say is what a test looks at.
package faultproxy
