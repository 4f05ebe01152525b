package demo_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"google.golang.org/genproto/googleapis/api/httpbody"
	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/fieldmaskpb"
	"google.golang.org/protobuf/types/known/timestamppb"

	librarypb "github.com/dragoman-gateway/dragoman/gen/library/v1"
	"github.com/dragoman-gateway/dragoman/internal/demo"
)

// start serves a new library and returns a stub of it.
func start(t *testing.T) librarypb.LibraryClient {
	t.Helper()
	lis, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	srv := grpc.NewServer()
	demo.Register(srv)
	done := make(chan error, 1)
	go func() { done <- srv.Serve(lis) }()
	t.Cleanup(func() {
		srv.Stop()
		require.NoError(t, <-done)
	})
	conn, err := grpc.NewClient(lis.Addr().String(), grpc.WithTransportCredentials(insecure.NewCredentials()))
	require.NoError(t, err)
	t.Cleanup(func() { require.NoError(t, conn.Close()) })
	return librarypb.NewLibraryClient(conn)
}

func TestListBooks(t *testing.T) {
	type filter = librarypb.ListBooksRequest_BookFilter
	tests := []struct {
		name  string
		in    *librarypb.ListBooksRequest
		want  []string
		total int32
		next  string
	}{
		{"all", &librarypb.ListBooksRequest{PageSize: 4}, []string{
			"shelves/1/books/1", "shelves/1/books/2", "shelves/2/books/1", "shelves/2/books/2",
		}, 6, "4"},
		{
			"second page", &librarypb.ListBooksRequest{PageSize: 4, PageToken: "4"},
			[]string{"shelves/3/books/1", "shelves/3/books/2"}, 6, "",
		},
		{"one shelf", &librarypb.ListBooksRequest{Parent: "shelves/3", PageSize: 1}, []string{"shelves/3/books/1"}, 2, "1"},
		{
			"genre and author", &librarypb.ListBooksRequest{Filter: &filter{
				Genre: librarypb.Genre_POETRY, Authors: []string{"Sappho", "Homer"},
			}},
			[]string{"shelves/2/books/1"}, 1, "",
		},
		{
			"time", &librarypb.ListBooksRequest{Filter: &filter{
				PublishedSince: &timestamppb.Timestamp{Seconds: -2_000_000_000},
			}},
			[]string{"shelves/3/books/2"}, 1, "",
		},
	}
	stub := start(t)
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			out, err := stub.ListBooks(t.Context(), tt.in)
			require.NoError(t, err)
			var names []string
			for _, b := range out.Books {
				names = append(names, b.Name)
			}
			require.Equal(t, tt.want, names)
			require.Equal(t, tt.total, out.TotalSize)
			require.Equal(t, tt.next, out.NextPageToken)
		})
	}
}

func TestLifeOfABook(t *testing.T) {
	stub, ctx := start(t), t.Context()
	shelf, err := stub.CreateShelf(ctx, &librarypb.CreateShelfRequest{Shelf: &librarypb.Shelf{Theme: "Drama"}})
	require.NoError(t, err)
	require.Equal(t, "shelves/4", shelf.Name)

	book, err := stub.CreateBook(ctx, &librarypb.CreateBookRequest{
		Parent: shelf.Name, Book: &librarypb.Book{Title: "Antigone", Words: 11_000, Genre: librarypb.Genre_FICTION},
	})
	require.NoError(t, err)
	require.Equal(t, "shelves/4/books/1", book.Name)
	require.Equal(t, int32(1), book.GetPlace())

	book, err = stub.UpdateBook(ctx, &librarypb.UpdateBookRequest{
		Book:       &librarypb.Book{Name: book.Name, Authors: []string{"Sophocles"}},
		UpdateMask: &fieldmaskpb.FieldMask{Paths: []string{"authors", "words"}},
	})
	require.NoError(t, err)
	require.Equal(t, []string{"Sophocles"}, book.Authors)
	require.Zero(t, book.Words, "named by the mask and not set: cleared")
	require.Equal(t, "Antigone", book.Title, "not named by the mask: kept")

	lent, err := stub.CheckOutBook(ctx, &librarypb.CheckOutBookRequest{Name: book.Name, Reader: "ada"})
	require.NoError(t, err)
	require.Equal(t, "ada", lent.GetLoan().Reader)
	_, err = stub.CheckOutBook(ctx, &librarypb.CheckOutBookRequest{Name: book.Name, Reader: "bob"})
	require.Equal(t, codes.FailedPrecondition, status.Code(err))
	require.IsType(t, &errdetails.PreconditionFailure{}, status.Convert(err).Details()[0])
	_, err = stub.ReturnBook(ctx, &librarypb.ReturnBookRequest{Name: book.Name})
	require.NoError(t, err)

	moved, err := stub.MoveBook(ctx, &librarypb.MoveBookRequest{Name: book.Name, Destination: "shelves/2"})
	require.NoError(t, err)
	require.Equal(t, "shelves/2/books/3", moved.Name)
	_, err = stub.DeleteShelf(ctx, &librarypb.DeleteShelfRequest{Name: shelf.Name})
	require.NoError(t, err)
	_, err = stub.DeleteShelf(ctx, &librarypb.DeleteShelfRequest{Name: "shelves/2"})
	require.Equal(t, codes.FailedPrecondition, status.Code(err))
	_, err = stub.DeleteBook(ctx, &librarypb.DeleteBookRequest{Name: moved.Name})
	require.NoError(t, err)

	_, err = stub.GetBook(ctx, &librarypb.GetBookRequest{Name: moved.Name})
	require.Equal(t, codes.NotFound, status.Code(err))
	info, ok := status.Convert(err).Details()[0].(*errdetails.ResourceInfo)
	require.True(t, ok)
	require.Equal(t, moved.Name, info.ResourceName)
}

func TestStreams(t *testing.T) {
	stub := start(t)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()

	books, err := stub.StreamBooks(ctx, &librarypb.StreamBooksRequest{Parent: "shelves/1", FailAfter: 1})
	require.NoError(t, err)
	first, err := books.Recv()
	require.NoError(t, err)
	require.Equal(t, "shelves/1/books/1", first.Name)
	_, err = books.Recv()
	require.Equal(t, codes.DataLoss, status.Code(err))

	in, err := stub.ImportBooks(ctx)
	require.NoError(t, err)
	require.NoError(t, in.Send(&librarypb.ImportBooksRequest{Parent: "shelves/1", Book: &librarypb.Book{Title: "A"}}))
	require.NoError(t, in.Send(&librarypb.ImportBooksRequest{Book: &librarypb.Book{Title: "B"}}))
	imported, err := in.CloseAndRecv()
	require.NoError(t, err)
	require.Equal(t, []string{"shelves/1/books/3", "shelves/1/books/4"}, imported.Names)

	ask, err := stub.Ask(ctx)
	require.NoError(t, err)
	for _, q := range []*librarypb.AskRequest{
		{Question: &librarypb.AskRequest_Count{Count: librarypb.Genre_POETRY}},
		{Question: &librarypb.AskRequest_Title{Title: "computable"}},
		{},
	} {
		require.NoError(t, ask.Send(q))
	}
	require.NoError(t, ask.CloseSend())
	var answers []*librarypb.AskResponse
	for {
		a, err := ask.Recv()
		if errors.Is(err, io.EOF) {
			break
		}
		require.NoError(t, err)
		answers = append(answers, a)
	}
	require.Len(t, answers, 3)
	require.Equal(t, int32(2), answers[0].GetCount())
	require.Equal(t, "On Computable Numbers", answers[1].GetBook().GetTitle())
	require.NotNil(t, answers[2].GetNothing())
}

func TestFiles(t *testing.T) {
	stub := start(t)
	export := func(parent string) string {
		pieces, err := stub.ExportBooks(t.Context(), &librarypb.ExportBooksRequest{Parent: parent})
		require.NoError(t, err)
		var file []byte
		for {
			piece, err := pieces.Recv()
			if errors.Is(err, io.EOF) {
				return string(file)
			}
			require.NoError(t, err)
			require.Equal(t, "text/csv; charset=utf-8", piece.ContentType)
			file = append(file, piece.Data...)
		}
	}
	upload := func(parent, media string, pieces ...string) ([]string, error) {
		in, err := stub.UploadBooks(t.Context())
		require.NoError(t, err)
		for i, piece := range pieces {
			msg := &librarypb.UploadBooksRequest{File: &httpbody.HttpBody{Data: []byte(piece)}}
			if i == 0 {
				msg.Parent, msg.File.ContentType = parent, media
			}
			if in.Send(msg) != nil {
				break // CloseAndRecv says why
			}
		}
		out, err := in.CloseAndRecv()
		return out.GetNames(), err
	}

	file := export("shelves/1")
	names, err := upload("shelves/3", "text/csv; charset=utf-8", file[:30], file[30:])
	require.NoError(t, err)
	require.Equal(t, []string{"shelves/3/books/3", "shelves/3/books/4"}, names)
	book, err := stub.GetBook(t.Context(), &librarypb.GetBookRequest{Name: names[0]})
	require.NoError(t, err)
	require.Equal(t, "The Travels", book.Title)
	require.Equal(t, []string{"Marco Polo", "Rustichello da Pisa"}, book.Authors)
	require.Equal(t, "9780140440577", book.Isbn)

	for name, tt := range map[string]struct {
		media  string
		pieces []string
		want   string
	}{
		"another type":     {"text/plain", []string{"title\nA\n"}, "file.content_type: must be text/csv"},
		"nothing":          {"text/csv", []string{""}, "file.data: the first line must name the columns, title among them"},
		"no title":         {"text/csv", []string{"isbn,title\n1,A\n2,\n"}, "file.data: book 2 has no title"},
		"lines unlike":     {"text/csv", []string{"title\nA,B\n"}, "file.data: record on line 2: wrong number of fields"},
		"more than it may": {"text/csv", []string{"title\n", strings.Repeat("A", 1<<20)}, "file.data: must not be larger than 1048576 bytes"},
	} {
		_, err := upload("shelves/2", tt.media, tt.pieces...)
		require.Equal(t, codes.InvalidArgument, status.Code(err), name)
		require.Equal(t, tt.want, status.Convert(err).Message(), name)
	}
	require.Equal(t, 3, strings.Count(export("shelves/2"), "\n"), "a wrong file imports nothing")
}
