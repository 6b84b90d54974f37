// Package recordedtest plays recorded exchanges with real model servers to the clients of this repository: as they were,
// cut into pieces, cut off, and left open. The recordings are not part of the repository; tests that need them skip
// where they are absent.
package recordedtest
