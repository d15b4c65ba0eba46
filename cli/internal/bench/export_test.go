package bench

// The statistics, for tests.
var (
	Median = median
	Slope  = slope
)
