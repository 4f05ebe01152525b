package route

// Conflict is two entries that no request can tell apart.
type Conflict struct{ A, B *Entry }

func (c *Conflict) Error() string { return "conflict" }
