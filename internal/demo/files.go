package demo

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"mime"
	"slices"
	"strings"

	"google.golang.org/genproto/googleapis/api/httpbody"
	"google.golang.org/grpc"
	"google.golang.org/grpc/status"

	librarypb "github.com/dragoman-gateway/dragoman/gen/library/v1"
)

// columns are those of a file of books. Whoever uploads one may leave out all but
// the title; names are chosen by the library, whatever the file says.
var columns = []string{"name", "title", "authors", "isbn"}

// authorsApart is between the authors of a book.
const authorsApart = "; "

// maxFile bounds an uploaded file, which is read whole.
const maxFile = 1 << 20

// ExportBooks sends the first message with the head of the table.
func (l *Library) ExportBooks(in *librarypb.ExportBooksRequest, out grpc.ServerStreamingServer[httpbody.HttpBody]) error {
	books, err := l.on(in.Parent)
	if err != nil {
		return err
	}
	var lines bytes.Buffer
	w := csv.NewWriter(&lines)
	send := func(row ...string) error {
		lines.Reset()
		// Writing to a buffer does not fail.
		_ = w.Write(row)
		w.Flush()
		return out.Send(&httpbody.HttpBody{ContentType: "text/csv; charset=utf-8", Data: lines.Bytes()})
	}
	if err := send(columns...); err != nil {
		return err
	}
	for _, b := range books {
		if err := send(b.Name, b.Title, strings.Join(b.Authors, authorsApart), b.Isbn); err != nil {
			return err
		}
	}
	return nil
}

// UploadBooks imports all books of a file, or none if one of its lines is wrong.
func (l *Library) UploadBooks(in grpc.ClientStreamingServer[librarypb.UploadBooksRequest, librarypb.ImportBooksResponse]) error {
	var file bytes.Buffer
	var parent, contentType string
	for first := true; ; first = false {
		msg, err := in.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return err
		}
		if first {
			parent, contentType = msg.Parent, msg.File.GetContentType()
		}
		if file.Len()+len(msg.File.GetData()) > maxFile {
			return badField("file.data", fmt.Sprintf("must not be larger than %d bytes", maxFile))
		}
		file.Write(msg.File.GetData())
	}
	if media, _, err := mime.ParseMediaType(contentType); err != nil || media != "text/csv" {
		return badField("file.content_type", "must be text/csv")
	}
	books, err := readBooks(&file)
	if err != nil {
		return badField("file.data", err.Error())
	}
	out := &librarypb.ImportBooksResponse{}
	for _, b := range books {
		added, err := l.CreateBook(in.Context(), &librarypb.CreateBookRequest{Parent: parent, Book: b})
		if err != nil {
			return status.Errorf(status.Code(err), "book %d: %s", len(out.Names)+1, status.Convert(err).Message())
		}
		out.Names = append(out.Names, added.Name)
	}
	return in.SendAndClose(out)
}

// readBooks reads a file of books.
func readBooks(file io.Reader) ([]*librarypb.Book, error) {
	rows, err := csv.NewReader(file).ReadAll()
	switch {
	case err != nil:
		return nil, err
	case len(rows) == 0 || !slices.Contains(rows[0], "title"):
		return nil, errors.New("the first line must name the columns, title among them")
	}
	var books []*librarypb.Book
	for i, row := range rows[1:] {
		b := &librarypb.Book{}
		for column, text := range row {
			switch rows[0][column] {
			case "title":
				b.Title = text
			case "authors":
				if text != "" {
					b.Authors = strings.Split(text, authorsApart)
				}
			case "isbn":
				b.Isbn = text
			}
		}
		if b.Title == "" {
			return nil, fmt.Errorf("book %d has no title", i+1)
		}
		books = append(books, b)
	}
	return books, nil
}
