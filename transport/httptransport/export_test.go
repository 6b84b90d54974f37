package httptransport

import "time"

// Age lets time pass on the clock of the client's pool. Nothing else may use the client meanwhile.
func (c *Client) Age(d time.Duration) {
	c.pool.mu.Lock()
	defer c.pool.mu.Unlock()
	c.pool.running.Wait()
	c.pool.began = c.pool.began.Add(-d)
}

// Settle waits for what goes on in the background.
func (c *Client) Settle() { c.Age(0) }

// State returns how many servers the client knows, how many of them are out, and how many calls are in flight.
func (c *Client) State() (servers, out, calls int) {
	for _, e := range *c.pool.all.Load() {
		servers++
		calls += int(e.calls.Load())
		if e.rest.Load() != 0 {
			out++
		}
	}
	return servers, out, calls
}
