package seal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"gocloud.dev/secrets/localsecrets"
)

// OpenKeyFile opens the key-encryption keys whose URLs are in a file, one a line,
// the newest first; lines with # are comments. A file that is missing is made
// with a key that is drawn, readable by its owner alone. Keys that are added
// later are found without opening it again. It fails with CONFIG_INVALID. The
// caller closes the keeper.
func OpenKeyFile(ctx context.Context, path string) (*Keeper, error) {
	if err := makeKeyFile(path); err != nil {
		return nil, badKey(err, "the key file %s cannot be made", path)
	}
	return openKeeper(ctx, func() ([]string, error) { return readKeyFile(path) })
}

// AddKey draws a key and makes it the newest of a key file; it returns its id.
func AddKey(path string) (id string, err error) {
	before, err := os.ReadFile(path)
	if err != nil {
		return "", badKey(err, "the key file %s cannot be read", path)
	}
	location, err := drawURL()
	if err != nil {
		return "", err
	}
	written, err := writeBeside(path, location+"\n"+string(before))
	if err == nil {
		err = os.Rename(written, path)
	}
	if err != nil {
		return "", badKey(err, "the key file %s cannot be written", path)
	}
	return idOf(location), nil
}

func readKeyFile(path string) ([]string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, badKey(err, "the key file %s cannot be read", path)
	}
	if info.Mode().Perm()&0o077 != 0 {
		return nil, badKey(nil, "the key file %s can be read by others than its owner: chmod 600 it", path)
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, badKey(err, "the key file %s cannot be read", path)
	}
	var urls []string
	for line := range strings.Lines(string(data)) {
		if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
			urls = append(urls, line)
		}
	}
	return urls, nil
}

// makeKeyFile makes the file if it is missing. Of several processes that do so at
// once, one's key stays.
func makeKeyFile(path string) error {
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		return err
	}
	location, err := drawURL()
	if err != nil {
		return err
	}
	written, err := writeBeside(path, "# Whoever has these keys can read what the mesh stores; without them nobody can.\n"+location+"\n")
	if err != nil {
		return err
	}
	defer func() { _ = os.Remove(written) }()
	if err := os.Link(written, path); err != nil && !errors.Is(err, os.ErrExist) {
		return fmt.Errorf("make the key file: %w", err)
	}
	return nil
}

// writeBeside writes a file beside another one, synced, and returns its path.
func writeBeside(path, text string) (string, error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*")
	if err != nil {
		return "", fmt.Errorf("write the key file: %w", err)
	}
	_, err = f.WriteString(text)
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return "", errors.Join(fmt.Errorf("write the key file: %w", err), os.Remove(f.Name()))
	}
	return f.Name(), nil
}

// drawURL draws a key, as its URL.
func drawURL() (string, error) {
	drawn, err := localsecrets.NewRandomKey()
	if err != nil {
		return "", fmt.Errorf("draw a key-encryption key: %w", err)
	}
	return urlOf(drawn), nil
}
