package transform

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/transform/body"
	"github.com/dragoman-gateway/dragoman/transform/jq"
)

// TestFormsOfCurl: what curl -d sends is JSON under the name of a form, unless the
// route reads forms.
func TestFormsOfCurl(t *testing.T) {
	const form = "application/x-www-form-urlencoded"
	json := map[string]any{"a": "b"}
	c := content{raw: []byte(`{"a":"b"}`), want: jq.Paths{All: true}, curl: true}
	v, err := c.get(body.Auto, form)
	require.NoError(t, err)
	require.Equal(t, json, v)

	c = content{raw: []byte(`{"a":`), want: jq.Paths{All: true}, curl: true}
	_, err = c.get(body.Auto, form)
	require.ErrorContains(t, err, "at byte 5")

	// A program that gives a body without looking at the one before.
	c = content{raw: []byte(`{}`), curl: true}
	c.set(json, body.Auto, form, nil)
	require.Equal(t, body.JSON, c.kind)
	v, err = c.get(body.Auto, form)
	require.NoError(t, err)
	require.Equal(t, json, v)

	c = content{raw: []byte(`a=b`), want: jq.Paths{All: true}}
	v, err = c.get(body.Auto, form)
	require.NoError(t, err)
	require.Equal(t, json, v)
	c.set(map[string]any{"c": "d"}, body.Auto, form, nil)
	require.Equal(t, body.Form, c.kind)
}
