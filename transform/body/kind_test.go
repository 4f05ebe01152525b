package body_test

import (
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/transform/body"
)

func TestKindOf(t *testing.T) {
	for _, row := range []struct {
		contentType string
		as          body.As
		first       string
		want        body.Kind
		wantErr     string
	}{
		{contentType: "application/json", want: body.JSON},
		{contentType: "application/json", first: "no JSON", want: body.JSON},
		{contentType: "Application/JSON ; charset=utf-8", want: body.JSON},
		{contentType: "text/json", want: body.JSON},
		{contentType: "application/problem+json", want: body.JSON},
		{contentType: "application/x-ndjson", want: body.JSON},
		{contentType: "application/x-www-form-urlencoded;charset=UTF-8", want: body.Form},
		{contentType: "multipart/form-data; boundary=x", want: body.Multipart},
		{contentType: "text/plain", want: body.Text},
		{contentType: "text/html; charset=utf-8", want: body.Text},
		{contentType: "application/soap+xml", want: body.Text},
		{contentType: "application/xml", want: body.Text},
		{contentType: "application/javascript", want: body.Text},
		{contentType: "image/png", wantErr: `a body of the content type "image/png" cannot be read: say body_as: JSON, TEXT or BYTES`},
		{contentType: "multipart/mixed; boundary=x", wantErr: `a body of the content type "multipart/mixed; boundary=x" cannot be read: say body_as: JSON, TEXT or BYTES`},
		{contentType: "json", wantErr: `a body of the content type "json" cannot be read: say body_as: JSON, TEXT or BYTES`},
		{first: " \r\n\t{", want: body.JSON},
		{first: "[", want: body.JSON},
		{first: `"`, want: body.JSON},
		{first: "-", want: body.JSON},
		{first: "0", want: body.JSON},
		{first: "9", want: body.JSON},
		{first: "true", want: body.JSON},
		{first: "false", want: body.JSON},
		{first: "null", want: body.JSON},
		{first: "", want: body.JSON},
		{first: "a=b", wantErr: "a body that has no content type and does not begin as JSON cannot be read: say body_as: JSON, TEXT or BYTES"},
		{first: "<xml>", wantErr: "a body that has no content type and does not begin as JSON cannot be read: say body_as: JSON, TEXT or BYTES"},
		{contentType: "image/png", as: body.AsJSON, want: body.JSON},
		{contentType: "application/json", as: body.AsText, want: body.Text},
		{contentType: "application/json", as: body.AsBytes, want: body.Bytes},
	} {
		t.Run(row.contentType+row.first, func(t *testing.T) {
			got, err := body.KindOf(row.contentType, row.as, []byte(row.first))
			if row.wantErr != "" {
				require.EqualError(t, err, row.wantErr)
				var unknown *body.KindError
				require.ErrorAs(t, err, &unknown)
				require.Equal(t, row.contentType, unknown.ContentType)
				return
			}
			require.NoError(t, err)
			require.Equal(t, row.want, got)
		})
	}
}

func TestKindFor(t *testing.T) {
	for _, row := range []struct {
		contentType string
		as          body.As
		value       any
		want        body.Kind
	}{
		{"", body.Auto, "s", body.Text},
		{"", body.Auto, object(), body.JSON},
		{"", body.Auto, 1, body.JSON},
		{"", body.AsBytes, "s", body.Bytes},
		{"application/json", body.Auto, "s", body.JSON},
		{"text/csv", body.Auto, object(), body.Text},
		{"image/svg", body.Auto, "s", body.Text},
		{"image/svg", body.AsBytes, "s", body.Bytes},
		{"application/x-www-form-urlencoded", body.Auto, object(), body.Form},
	} {
		require.Equal(t, row.want, body.KindFor(row.contentType, row.as, row.value), "%+v", row)
	}
}
