package file_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/dragoman-gateway/dragoman/upstream/file"
)

func TestSecret(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) {
		require.NoError(t, os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600))
	}
	write("key", " s3cret\r\n")
	text, err := file.Secret(dir, "key")
	require.NoError(t, err)
	require.Equal(t, "s3cret", text)
	text, err = file.Secret("elsewhere", filepath.Join(dir, "key"))
	require.NoError(t, err, "an absolute name is one in any folder")
	require.Equal(t, "s3cret", text)

	write("empty", "\n")
	_, err = file.Secret(dir, "empty")
	require.EqualError(t, err, `file "empty" is empty`)
	write("lines", "s3cret\nof another\n")
	_, err = file.Secret(dir, "lines")
	require.EqualError(t, err, `file "lines" has more than one line, and should have the secret alone`)
	write("long", strings.Repeat("hush", 2000))
	_, err = file.Secret(dir, "long")
	require.EqualError(t, err, `file "long" has more than 4096 bytes`)
	_, err = file.Secret(dir, "none")
	require.ErrorIs(t, err, os.ErrNotExist)
}

func TestReadBounds(t *testing.T) {
	dir := t.TempDir()
	require.NoError(t, os.WriteFile(filepath.Join(dir, "ten"), []byte("0123456789"), 0o600))
	data, err := file.Read(dir, "ten", 10)
	require.NoError(t, err)
	require.Equal(t, "0123456789", string(data))
	_, err = file.Read(dir, "ten", 9)
	require.EqualError(t, err, `file "ten" has more than 9 bytes`)
	_, err = file.Read("/", "dev/zero", 100)
	require.ErrorContains(t, err, "more than 100 bytes", "a file that does not end")
}
