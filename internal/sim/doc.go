// Package sim has servers and callers for simulations: tests that show what the blocks do to a whole system, in the virtual
// time of package testing/synctest and with fixed seeds. The servers are slow, full and jealous of their work as real ones are.
package sim
