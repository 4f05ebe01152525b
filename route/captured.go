package route

// Captured is the text that variable i of the template took, in the order of
// Template.Variables: escaped, as it came. It is empty if there is no such variable.
func (x *Exchange) Captured(i int) string {
	if i >= len(x.Captures) {
		return ""
	}
	return x.Path[x.Captures[i].Start:x.Captures[i].End]
}
