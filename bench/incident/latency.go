package incident

import "slices"

// quantile is the value below which the part q of the list lies, 0 of none. It
// sorts the list.
func quantile(list []float64, q float64) float64 {
	if len(list) == 0 {
		return 0
	}
	slices.Sort(list)
	return list[int(float64(len(list)-1)*q)]
}
