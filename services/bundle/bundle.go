// Package bundle reads model bundles: a folder with bundle.json, the manifest,
// and the files that it lists. Opening one checks everything that can be known
// without running a graph: the manifest's values, each file's digest, and each
// graph's inputs and outputs against the contract of its role. What is wrong is
// a fault with reason BUNDLE_INVALID and the file as its field.
package bundle

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/facestudio/facestudio/services/fault"
	"github.com/facestudio/facestudio/services/onnx"
)

// Format is the format of manifests that this version reads.
const Format = 1

// MaxCorrections is how often a picture may be corrected.
const MaxCorrections = 3

const (
	manifestName    = "bundle.json"
	maxManifestSize = 1 << 20
	idLength        = 12
)

// Options says how a bundle is opened. The zero value is fine.
type Options struct {
	// Cache is the folder with the fetched third-party files, named by digest.
	// Empty means .cache/models at the top of the repository that the bundle,
	// the executable or the working folder is in.
	Cache string
	// RequireCommercial refuses a bundle that must not be used commercially.
	RequireCommercial bool
}

// Bundle is a verified bundle. It may be used by many goroutines.
type Bundle struct {
	// Manifest is bundle.json. It must not be changed.
	Manifest Manifest

	dir    string
	caches []string
	digest string
}

// Open reads and verifies the bundle in a folder.
func Open(dir string, o Options) (*Bundle, error) {
	b := &Bundle{dir: dir, caches: caches(dir, o.Cache)}
	data, err := b.read(manifestName, maxManifestSize)
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(data)
	b.digest = hex.EncodeToString(sum[:])
	m, found := decode(data)
	if m != nil {
		found = m.validate()
	}
	if err := found.fault(manifestName); err != nil {
		return nil, err
	}
	if o.RequireCommercial && !m.CommercialUse {
		return nil, invalid(manifestName, "commercial_use is false (licence %s): open another bundle, or do not require commercial use", m.Licence)
	}
	b.Manifest = *m
	if err := b.verifyAll(); err != nil {
		return nil, err
	}
	return b, nil
}

// Dir is the folder that the bundle was opened from.
func (b *Bundle) Dir() string { return b.dir }

// Digest is the SHA-256 of bundle.json, in hexadecimal; since that lists the
// digest of every file, it pins the whole bundle.
func (b *Bundle) Digest() string { return b.digest }

// ID is the first 12 digits of the digest, for names of queues and metrics.
func (b *Bundle) ID() string { return b.digest[:idLength] }

// Has reports whether the bundle has a file with that role.
func (b *Bundle) Has(role Role) bool {
	for _, f := range b.Manifest.Files {
		if f.Role == role {
			return true
		}
	}
	return false
}

// Bytes reads the file with that role, and for clip_vision that name, and
// verifies what it read: the file may have been changed since Open.
func (b *Bundle) Bytes(role Role, name string) ([]byte, error) {
	for _, f := range b.Manifest.Files {
		if f.Role == role && f.Name == name {
			return b.load(f)
		}
	}
	return nil, missing(role, name)
}

// Graph is Bytes of a graph, with the contract of its role.
func (b *Bundle) Graph(role Role, name string) ([]byte, onnx.Contract, error) {
	contract, ok := Contract(role, name, &b.Manifest)
	if !ok {
		return nil, onnx.Contract{}, missing(role, name)
	}
	data, err := b.Bytes(role, name)
	return data, contract, err
}

// verifyAll checks every file and makes one fault of all that is wrong.
func (b *Bundle) verifyAll() error {
	var first *fault.Fault
	var found problems
	for _, f := range b.Manifest.Files {
		if err := b.verify(f); err != nil {
			wrong := fault.From(err)
			if first == nil {
				first = wrong
			}
			found.add(f.Path, "%s", wrong.Message)
		}
	}
	if len(found) > 1 {
		return found.fault("")
	}
	if first != nil {
		return first
	}
	return nil
}

// verify checks one file as it is on disk.
func (b *Bundle) verify(f File) error {
	data, err := b.load(f)
	if err != nil {
		return err
	}
	if !f.Role.IsGraph() {
		if f.Role == Tokenizer && !json.Valid(data) {
			return invalid(f.Path, "is not JSON")
		}
		return nil
	}
	graph, err := onnx.Read(data)
	if err != nil {
		return invalid(f.Path, "%v", err)
	}
	contract, _ := Contract(f.Role, f.Name, &b.Manifest)
	if err := contract.Check(graph); err != nil {
		return invalid(f.Path, "%v", err)
	}
	return nil
}

// load reads a file and verifies its size and digest.
func (b *Bundle) load(f File) ([]byte, error) {
	data, err := b.read(f.Path, f.Bytes)
	if errors.Is(err, fs.ErrNotExist) && f.Fetch != "" {
		data, err = b.fetched(f)
	}
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(data)
	if got := hex.EncodeToString(sum[:]); got != f.SHA256 || int64(len(data)) != f.Bytes {
		return nil, invalid(f.Path, "was changed: it has %d bytes with sha256 %s, bundle.json says %d bytes with %s; restore the file", len(data), got, f.Bytes, f.SHA256)
	}
	return data, nil
}

func (b *Bundle) fetched(f File) ([]byte, error) {
	for _, cache := range b.caches {
		data, err := readFile(filepath.Join(cache, f.SHA256+".onnx"), f.Bytes)
		if !errors.Is(err, fs.ErrNotExist) {
			return data, err
		}
	}
	return nil, invalid(f.Path, "was not fetched yet (%s, looked into %q): run scripts/setup-models.sh", f.Fetch, b.caches)
}

// read reads a file of the folder; links are refused, even those that stay in
// it.
func (b *Bundle) read(name string, limit int64) ([]byte, error) {
	path := filepath.Join(b.dir, name)
	before, err := os.Lstat(path)
	if err != nil {
		return nil, unreadable(name, err)
	}
	if !before.Mode().IsRegular() {
		return nil, invalid(name, "must be a file, it is %s: links and folders are refused", before.Mode().Type())
	}
	data, err := readFile(path, limit)
	if err != nil {
		return nil, unreadable(name, err)
	}
	return data, nil
}

// readFile reads at most one byte more than limit, so that a file that is too
// large fails its check without filling the memory.
func readFile(path string, limit int64) ([]byte, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return nil, err
	}
	data := make([]byte, min(info.Size(), limit+1))
	n, err := io.ReadFull(file, data)
	if err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return data[:n], nil
}

func unreadable(name string, err error) error {
	f := invalid(name, "cannot be read: restore the file, or name another folder")
	if errors.Is(err, fs.ErrNotExist) {
		f = invalid(name, "is missing: restore the file, or name another folder")
	}
	f.Err = err
	return f
}

func missing(role Role, name string) error {
	if name != "" {
		name = " named " + name
	}
	return roleMissing(fmt.Sprintf("the bundle has no %s%s: take another bundle", role, name))
}

// caches lists the folders with fetched files.
func caches(dir, given string) []string {
	if given != "" {
		return []string{given}
	}
	folder := filepath.Join(".cache", "models")
	list := []string{filepath.Join(dir, "..", "..", folder)}
	if executable, err := os.Executable(); err == nil {
		list = append(list, filepath.Join(filepath.Dir(executable), "..", folder))
	}
	return append(list, folder)
}
