package httprule

import (
	"bytes"
	"net/url"
	"strings"
	"testing"
)

func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		"/", "/v1/things/{name}", "/v1/things/{name}:cancel", "/v1/{parent=shelves/*}/books", "/v1/files/{path=**}",
		"/a/{x=b/**/y}/z:v", "/foo%2Fbar/%2A", "/{a.b=x/*/y/**}", "/{a={b}}", "/{a}/{a}", "/a:b:c", "/%FF", "/中/%E4%B8%AD",
		"/a/**/{b}", "/{", "/{a=", "/%", "//", "/:", "/{a}}", "/***",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		tm, err := Parse(in)
		if err != nil {
			pe := err.(*ParseError)
			if pe.Offset < 0 || pe.Offset > len(in) || pe.Message == "" || tm != nil {
				t.Fatalf("Parse(%q) = %v, %#v", in, tm, pe)
			}
			return
		}
		multi := false
		for _, seg := range tm.Segments {
			if (seg.Kind == Literal) == (seg.Literal == "") || multi && seg.Kind != Literal {
				t.Fatalf("Parse(%q): segments %v", in, tm.Segments)
			}
			multi = multi || seg.Kind == Multi
		}
		end := 0
		for _, v := range tm.Variables {
			if v.Start < end || v.End <= v.Start || v.End > len(tm.Segments) || len(v.Path) == 0 {
				t.Fatalf("Parse(%q): variables %v", in, tm.Variables)
			}
			end = v.End
		}
		text := tm.String()
		again, err := Parse(text)
		if err != nil && len(text) > maxLength {
			return // escaping made it too long
		}
		if err != nil || !again.Equal(tm) || again.String() != text {
			t.Fatalf("Parse(%q).String() = %q, which parses to %v, %v", in, text, again, err)
		}
	})
}

func FuzzAppendUnescaped(f *testing.F) {
	for _, seed := range []string{"", "abc", "100%25", "a%2Fb", "a%2fb%252F", "%FF", "%", "%4", "%zz", "a+b%00", "%%"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, in string) {
		single, err := AppendUnescaped([]byte("x"), in, Decoded)
		multi, multiErr := AppendUnescaped([]byte("x"), in, Kept)
		want, wantErr := url.PathUnescape(in)
		if (err != nil) != (wantErr != nil) || (multiErr != nil) != (wantErr != nil) {
			t.Fatalf("AppendUnescaped(%q): %v, %v, and net/url says %v", in, err, multiErr, wantErr)
		}
		if err != nil {
			e := err.(*EscapeError)
			if string(single) != "x" || string(multi) != "x" || !strings.HasPrefix(in[e.Offset:], e.Text) || e.Text[0] != '%' {
				t.Fatalf("AppendUnescaped(%q) = %q, %q, %v", in, single, multi, err)
			}
			return
		}
		if string(single) != "x"+want {
			t.Fatalf("AppendUnescaped(%q) = %q, want %q", in, single, want)
		}
		// What stayed escaped is an escaped slash, and nothing else.
		if i, j := bytes.Count(multi, []byte("/")), strings.Count(in, "/"); i != j {
			t.Fatalf("AppendUnescaped(%q, multi) = %q: %d slashes, want %d", in, multi, i, j)
		}
		if n := strings.Count(strings.ToLower(in), "%2f"); len(multi) != len(single)+2*n {
			t.Fatalf("AppendUnescaped(%q, multi) = %q, want %d escaped slashes in it", in, multi, n)
		}
	})
}
