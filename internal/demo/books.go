package demo

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"time"

	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/reflect/protoreflect"
	"google.golang.org/protobuf/types/known/durationpb"
	"google.golang.org/protobuf/types/known/emptypb"

	librarypb "github.com/dragoman-gateway/dragoman/gen/library/v1"
)

const (
	defaultPage = 50
	maxPage     = 100
	defaultLoan = 14 * 24 * time.Hour
)

func (l *Library) ListBooks(_ context.Context, in *librarypb.ListBooksRequest) (*librarypb.ListBooksResponse, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	size := int(in.PageSize)
	switch {
	case size < 0:
		return nil, badField("page_size", "must not be negative")
	case size == 0:
		size = defaultPage
	}
	size = min(size, maxPage)
	start := 0
	if in.PageToken != "" {
		var err error
		if start, err = strconv.Atoi(in.PageToken); err != nil || start < 0 {
			return nil, badField("page_token", "is not one that a list has returned")
		}
	}
	shelves := l.shelves
	if in.Parent != "" {
		s, err := l.findShelf(in.Parent)
		if err != nil {
			return nil, err
		}
		shelves = []*shelf{s}
	}
	out := &librarypb.ListBooksResponse{}
	n := 0
	for _, s := range shelves {
		for i, b := range s.books {
			if !chosen(in.Filter, b) {
				continue
			}
			if n >= start && n < start+size {
				out.Books = append(out.Books, s.book(i))
			}
			n++
		}
	}
	out.TotalSize = int32(n)
	if start+size < n {
		out.NextPageToken = strconv.Itoa(start + size)
	}
	return out, nil
}

// chosen reports whether b meets every condition of f; a nil f has none.
func chosen(f *librarypb.ListBooksRequest_BookFilter, b *librarypb.Book) bool {
	switch {
	case f == nil:
		return true
	case f.Genre != librarypb.Genre_GENRE_UNSPECIFIED && f.Genre != b.Genre:
		return false
	case f.PublishedSince != nil && b.Published.AsTime().Before(f.PublishedSince.AsTime()):
		return false
	case f.Available != nil && f.Available.Value != (b.GetLoan() == nil):
		return false
	case len(f.Authors) == 0:
		return true
	}
	return slices.ContainsFunc(b.Authors, func(a string) bool { return slices.Contains(f.Authors, a) })
}

func (l *Library) GetBook(_ context.Context, in *librarypb.GetBookRequest) (*librarypb.Book, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if in.Isbn == "" {
		s, i, err := l.findBook(in.Name)
		if err != nil {
			return nil, err
		}
		return s.book(i), nil
	}
	for _, s := range l.shelves {
		for i, b := range s.books {
			if b.Isbn == in.Isbn {
				return s.book(i), nil
			}
		}
	}
	return nil, notFound("library.v1.Book", "isbn/"+in.Isbn)
}

func (l *Library) CreateBook(_ context.Context, in *librarypb.CreateBookRequest) (*librarypb.Book, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, err := l.findShelf(in.Parent)
	if err != nil {
		return nil, err
	}
	if in.GetBook().GetTitle() == "" {
		return nil, badField("book.title", "every book has a title")
	}
	return l.addBook(s, proto.CloneOf(in.Book))
}

func (l *Library) UpdateBook(_ context.Context, in *librarypb.UpdateBookRequest) (*librarypb.Book, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, i, err := l.findBook(in.GetBook().GetName())
	if err != nil {
		return nil, err
	}
	changed := proto.CloneOf(s.books[i])
	if err := update(changed, in.Book, in.UpdateMask.GetPaths()); err != nil {
		return nil, err
	}
	s.books[i] = changed
	return s.book(i), nil
}

// fixed are the fields that the library sets itself.
var fixed = []protoreflect.Name{"name", "place", "loan", "create_time"}

// update copies the fields that mask names, or those that are set if it names
// none, from src to dst.
func update(dst, src *librarypb.Book, mask []string) error {
	fields := dst.ProtoReflect().Descriptor().Fields()
	if len(mask) == 0 {
		src.ProtoReflect().Range(func(fd protoreflect.FieldDescriptor, v protoreflect.Value) bool {
			if !slices.Contains(fixed, fd.Name()) {
				dst.ProtoReflect().Set(fd, v)
			}
			return true
		})
		return nil
	}
	for _, path := range mask {
		fd := fields.ByName(protoreflect.Name(path))
		if fd == nil || slices.Contains(fixed, fd.Name()) {
			return badField("update_mask", fmt.Sprintf("%q is not a field that can be changed", path))
		}
		if src.ProtoReflect().Has(fd) {
			dst.ProtoReflect().Set(fd, src.ProtoReflect().Get(fd))
		} else {
			dst.ProtoReflect().Clear(fd)
		}
	}
	return nil
}

func (l *Library) DeleteBook(_ context.Context, in *librarypb.DeleteBookRequest) (*emptypb.Empty, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, i, err := l.findBook(in.Name)
	if err != nil {
		return nil, err
	}
	l.removeBook(s, i)
	return &emptypb.Empty{}, nil
}

func (l *Library) CheckOutBook(_ context.Context, in *librarypb.CheckOutBookRequest) (*librarypb.Book, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, i, err := l.findBook(in.Name)
	if err != nil {
		return nil, err
	}
	if in.Reader == "" {
		return nil, badField("reader", "say who takes it")
	}
	if loan := s.books[i].GetLoan(); loan != nil {
		return nil, precondition("LENT", in.Name, loan.Reader+" has it")
	}
	period := defaultLoan
	if in.Period != nil {
		if period = in.Period.AsDuration(); period <= 0 {
			return nil, badField("period", "must be longer than nothing")
		}
	}
	s.books[i].Whereabouts = &librarypb.Book_Loan{Loan: &librarypb.Loan{
		Reader: in.Reader, Since: l.tick(), Period: durationpb.New(period),
	}}
	return s.book(i), nil
}

func (l *Library) ReturnBook(_ context.Context, in *librarypb.ReturnBookRequest) (*librarypb.Book, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, i, err := l.findBook(in.Name)
	if err != nil {
		return nil, err
	}
	if s.books[i].GetLoan() == nil {
		return nil, precondition("NOT_LENT", in.Name, "nobody has it")
	}
	s.books[i].Whereabouts = nil
	return s.book(i), nil
}

func (l *Library) MoveBook(_ context.Context, in *librarypb.MoveBookRequest) (*librarypb.Book, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, i, err := l.findBook(in.Name)
	if err != nil {
		return nil, err
	}
	to, err := l.findShelf(in.Destination)
	if err != nil {
		return nil, err
	}
	if s.books[i].GetLoan() != nil {
		return nil, precondition("LENT", in.Name, "only a book that stands on its shelf can be moved")
	}
	return l.addBook(to, l.removeBook(s, i))
}

func (l *Library) GetLabels(_ context.Context, in *librarypb.GetLabelsRequest) (*librarypb.GetLabelsResponse, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, i, err := l.findBook(in.Name)
	if err != nil {
		return nil, err
	}
	return &librarypb.GetLabelsResponse{Labels: s.book(i).Labels}, nil
}
