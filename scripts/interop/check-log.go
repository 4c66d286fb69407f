// Verifies a log directory with golang.org/x/mod/sumdb, which shares no code with ours.
// Arguments: directory, verifier key, older tree size. Prints one line and exits 0 when everything holds.
package main

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"golang.org/x/mod/sumdb/note"
	"golang.org/x/mod/sumdb/tlog"
)

type tiles struct{ dir string }

func (t tiles) Height() int                           { return 8 }
func (t tiles) SaveTiles(_ []tlog.Tile, _ [][]byte)   {}
func (t tiles) ReadTiles(list []tlog.Tile) ([][]byte, error) {
	var all [][]byte
	for _, tile := range list {
		// sumdb has the height in its paths, C2SP tlog-tiles has not: it is always 8.
		path := strings.Replace(tile.Path(), "tile/8/", "tile/", 1)
		data, err := os.ReadFile(filepath.Join(t.dir, path))
		if err != nil && tile.W < 256 {
			whole := tile
			whole.W = 256
			data, err = os.ReadFile(filepath.Join(t.dir, strings.Replace(whole.Path(), "tile/8/", "tile/", 1)))
		}
		if err != nil {
			return nil, err
		}
		if len(data) < tile.W*tlog.HashSize {
			return nil, fmt.Errorf("%s is too short", path)
		}
		all = append(all, data[:tile.W*tlog.HashSize])
	}
	return all, nil
}

func must(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func demand(holds bool, what string) {
	if !holds {
		must(fmt.Errorf("%s does not hold", what))
	}
}

func main() {
	dir, vkey := os.Args[1], os.Args[2]
	old, err := strconv.ParseInt(os.Args[3], 10, 64)
	must(err)
	verifier, err := note.NewVerifier(vkey)
	must(err)
	read := func(name string) tlog.Tree {
		data, err := os.ReadFile(filepath.Join(dir, name))
		must(err)
		opened, err := note.Open(data, note.VerifierList(verifier))
		must(err)
		lines := strings.Split(opened.Text, "\n")
		size, err := strconv.ParseInt(lines[1], 10, 64)
		must(err)
		hash, err := base64.StdEncoding.DecodeString(lines[2])
		must(err)
		tree := tlog.Tree{N: size}
		copy(tree.Hash[:], hash)
		return tree
	}
	tree, before := read("checkpoint"), read("checkpoint.old")
	demand(before.N == old, "the size of the older checkpoint")
	hashes := tlog.TileHashReader(tree, tiles{dir})
	root, err := tlog.TreeHash(tree.N, hashes)
	must(err)
	demand(root == tree.Hash, "the root")
	proof, err := tlog.ProveTree(tree.N, old, hashes)
	must(err)
	must(tlog.CheckTree(proof, tree.N, tree.Hash, old, before.Hash))
	records := 0
	for bundle := int64(0); bundle*256 < tree.N; bundle++ {
		width := tree.N - bundle*256
		path := fmt.Sprintf("tile/entries/%03d", bundle)
		if width < 256 {
			path += fmt.Sprintf(".p/%d", width)
		}
		data, err := os.ReadFile(filepath.Join(dir, path))
		must(err)
		rest := bytes.NewBuffer(data)
		for i := bundle * 256; rest.Len() > 0; i++ {
			length := int(binary.BigEndian.Uint16(rest.Next(2)))
			entry := rest.Next(length)
			proof, err := tlog.ProveRecord(tree.N, i, hashes)
			must(err)
			must(tlog.CheckRecord(proof, tree.N, tree.Hash, i, tlog.RecordHash(entry)))
			records++
		}
	}
	demand(int64(records) == tree.N, "the number of entries")
	fmt.Printf("sumdb verified %d entries, the growth from %d and both checkpoints\n", tree.N, old)
}
