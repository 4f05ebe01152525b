package plan

// appendForm binds a form, application/x-www-form-urlencoded, which sets the
// fields of what the body is by the rules of a query.
func (p *Plan) appendForm(dst, form []byte, s *Scratch) ([]byte, error) {
	if form[0] == '{' || form[0] == '[' {
		// curl says of all that it sends that it is a form.
		return nil, errorf(InBody, "", "the body looks like JSON, but its content-type is that of a form: send application/json")
	}
	s.mask = s.mask[:0]
	return p.appendParameters(dst, string(form), InBody, s)
}
