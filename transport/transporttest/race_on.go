//go:build race

package transporttest

// slowdown is by how much the race detector makes long tests shorter.
const slowdown = 20
