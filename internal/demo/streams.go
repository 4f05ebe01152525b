package demo

import (
	"errors"
	"io"
	"strings"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/emptypb"

	librarypb "github.com/dragoman-gateway/dragoman/gen/library/v1"
)

func (l *Library) StreamBooks(in *librarypb.StreamBooksRequest, out grpc.ServerStreamingServer[librarypb.Book]) error {
	books, err := l.on(in.Parent)
	if err != nil {
		return err
	}
	for i, b := range books {
		if in.FailAfter > 0 && i == int(in.FailAfter) {
			return status.Errorf(codes.DataLoss, "failed after %d books, as asked", i)
		}
		if err := out.Send(b); err != nil {
			return err
		}
	}
	return nil
}

// on is a copy of the books of a shelf, so that sending them to a slow reader
// holds no lock.
func (l *Library) on(parent string) ([]*librarypb.Book, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, err := l.findShelf(parent)
	if err != nil {
		return nil, err
	}
	books := make([]*librarypb.Book, len(s.books))
	for i := range s.books {
		books[i] = s.book(i)
	}
	return books, nil
}

func (l *Library) ImportBooks(in grpc.ClientStreamingServer[librarypb.ImportBooksRequest, librarypb.ImportBooksResponse]) error {
	out := &librarypb.ImportBooksResponse{}
	parent := ""
	for {
		msg, err := in.Recv()
		if errors.Is(err, io.EOF) {
			return in.SendAndClose(out)
		}
		if err != nil {
			return err
		}
		if msg.Parent != "" {
			parent = msg.Parent
		}
		b, err := l.CreateBook(in.Context(), &librarypb.CreateBookRequest{Parent: parent, Book: msg.Book})
		if err != nil {
			return status.Errorf(status.Code(err), "book %d: %s", len(out.Names)+1, status.Convert(err).Message())
		}
		out.Names = append(out.Names, b.Name)
	}
}

func (l *Library) Ask(stream grpc.BidiStreamingServer[librarypb.AskRequest, librarypb.AskResponse]) error {
	for {
		msg, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		answer, err := l.answer(msg)
		if err != nil {
			return err
		}
		if err := stream.Send(answer); err != nil {
			return err
		}
	}
}

// answer is the answer to one question.
func (l *Library) answer(msg *librarypb.AskRequest) (*librarypb.AskResponse, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	switch q := msg.Question.(type) {
	case *librarypb.AskRequest_Count:
		var n int32
		for _, s := range l.shelves {
			for _, b := range s.books {
				if b.Genre == q.Count {
					n++
				}
			}
		}
		return &librarypb.AskResponse{Answer: &librarypb.AskResponse_Count{Count: n}}, nil
	case *librarypb.AskRequest_Title:
		for _, s := range l.shelves {
			for i, b := range s.books {
				if strings.Contains(strings.ToLower(b.Title), strings.ToLower(q.Title)) {
					return &librarypb.AskResponse{Answer: &librarypb.AskResponse_Book{Book: s.book(i)}}, nil
				}
			}
		}
	}
	return &librarypb.AskResponse{Answer: &librarypb.AskResponse_Nothing{Nothing: &emptypb.Empty{}}}, nil
}

var _ librarypb.LibraryServer = (*Library)(nil)
