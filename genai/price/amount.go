package price

import (
	"fmt"
	"math"
	"strings"
)

// An Amount is money: a number of picodollars, of which a US dollar has 10^12. The cheapest tokens cost a few thousand of
// them each. The largest Amount is over nine million dollars.
type Amount int64

// Dollar is a US dollar.
const Dollar Amount = 1_000_000_000_000

// PerMillion is the price of a token in the way in which providers give it: US dollars for a million. It is exact to the
// millionth of a dollar. The result is a pointer because that is what a [Price] is made of.
func PerMillion(dollars float64) *Amount {
	a := Amount(math.Round(dollars * 1e6))
	return &a
}

// Dollars returns the Amount in US dollars, as exactly as a float64 can.
func (a Amount) Dollars() float64 { return float64(a) / float64(Dollar) }

// String returns the Amount in US dollars with as many digits as it has, and at least two behind the point.
func (a Amount) String() string {
	sign, n := "", uint64(a)
	if a < 0 {
		sign, n = "-", -n
	}
	const one = uint64(Dollar)
	fraction := strings.TrimRight(fmt.Sprintf("%012d", n%one), "0")
	for len(fraction) < 2 {
		fraction += "0"
	}
	return fmt.Sprintf("%s$%d.%s", sign, n/one, fraction)
}
