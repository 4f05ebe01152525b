package demo

import (
	"context"
	"slices"

	"google.golang.org/protobuf/types/known/emptypb"

	librarypb "github.com/dragoman-gateway/dragoman/gen/library/v1"
)

func (l *Library) ListShelves(context.Context, *librarypb.ListShelvesRequest) (*librarypb.ListShelvesResponse, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	out := &librarypb.ListShelvesResponse{}
	for _, s := range l.shelves {
		out.Shelves = append(out.Shelves, s.view())
	}
	return out, nil
}

func (l *Library) GetShelf(_ context.Context, in *librarypb.GetShelfRequest) (*librarypb.Shelf, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, err := l.findShelf(in.Name)
	if err != nil {
		return nil, err
	}
	return s.view(), nil
}

func (l *Library) CreateShelf(_ context.Context, in *librarypb.CreateShelfRequest) (*librarypb.Shelf, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if in.GetShelf().GetTheme() == "" {
		return nil, badField("shelf.theme", "say what the books on it are about")
	}
	s, err := l.addShelf(in.Shelf.Theme)
	if err != nil {
		return nil, err
	}
	return s.view(), nil
}

func (l *Library) DeleteShelf(_ context.Context, in *librarypb.DeleteShelfRequest) (*emptypb.Empty, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	s, err := l.findShelf(in.Name)
	if err != nil {
		return nil, err
	}
	if len(s.books) > 0 && !in.Force {
		return nil, precondition("NOT_EMPTY", in.Name, "the shelf still holds books; set force to remove them too")
	}
	l.books -= len(s.books)
	l.shelves = slices.DeleteFunc(l.shelves, func(other *shelf) bool { return other == s })
	return &emptypb.Empty{}, nil
}
