// Package price says what answers cost.
//
//	cost, known := price.List().Cost(resp.Model, resp.Usage)
//
// Money is an [Amount], a whole number of picodollars, so that sums are exact. What is not known is not zero: a model that is
// not in the table has no cost, nor has an answer without usage, nor one with tokens of a sort that has no price.
//
// The table that comes with the package is [List], of the date that it names. Prices change, so programs that depend on
// them [Load] a newer one, and put their own prices over it with [Table.Merge]. An answer that was cut has used more than
// its usage says (LowerBound), and so has cost more. Each attempt costs: whoever repeats requests adds up.
package price
