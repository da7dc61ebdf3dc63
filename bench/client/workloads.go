package main

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"os"
	"strings"
	"sync"
	"sync/atomic"
)

type turn = func(worker, number int) (int64, error)

const listMax = 1000
const deleteMax = 100

// prepare makes what the workload needs, before the clock starts.
func (c *s3) prepare() (turn, error) {
	c.signer = &signer{accessKey: c.accessKey, secretKey: c.secretKey, region: c.region}
	switch c.workload {
	case "hello":
		return c.hello(), nil
	case "bucket":
		headers := map[string]string{"X-Amz-Bucket-Object-Lock-Enabled": "true"}
		_, err := c.send(call{method: "PUT", status: 200, headers: headers})
		return nothing, err
	case "fill":
		return c.fill(), nil
	case "put":
		return c.put(), nil
	case "get", "head":
		return c.read(strings.ToUpper(c.workload)), nil
	case "list":
		return c.list(url.Values{"list-type": {"2"}}, "<Key>"), nil
	case "list-versions":
		return c.list(url.Values{"versions": {""}}, "<VersionId>"), nil
	case "mixed":
		return c.mixed(), nil
	case "multipart":
		return c.multipart(), nil
	case "versions":
		return nothing, c.makeVersions()
	case "delete-version":
		return c.deleteVersions()
	case "multi-delete":
		return c.multiDelete()
	case "refused-delete":
		return c.refusedDelete()
	}
	return nil, fmt.Errorf("there is no workload %q", c.workload)
}

func nothing(int, int) (int64, error) { return 0, errDone }

func (c *s3) keyOf(number int) string { return fmt.Sprintf("%s%07d", c.prefix, number) }

func (c *s3) hello() turn {
	return func(int, int) (int64, error) {
		response, err := c.http.Get(c.endpoint)
		if err != nil {
			return 0, err
		}
		defer response.Body.Close()
		return io.Copy(io.Discard, response.Body)
	}
}

// fill puts each of the keys once.
func (c *s3) fill() turn {
	object := c.object(c.sizeBytes)
	return func(_, number int) (int64, error) {
		if number >= c.keyCount {
			return 0, errDone
		}
		wanted := object
		wanted.key = c.keyOf(number)
		_, err := c.send(wanted)
		return int64(c.sizeBytes), err
	}
}

// put never writes a key twice.
func (c *s3) put() turn {
	object := c.object(c.sizeBytes)
	return func(worker, number int) (int64, error) {
		wanted := object
		wanted.key = fmt.Sprintf("%s%d-%d", c.prefix, worker, number)
		_, err := c.send(wanted)
		return int64(c.sizeBytes), err
	}
}

func (c *s3) read(method string) turn {
	return func(int, int) (int64, error) {
		got, err := c.send(call{method: method, key: c.keyOf(rand.IntN(c.keyCount)), status: 200, payloadHash: emptyHash})
		if err == nil && method == "GET" && got.size != int64(c.sizeBytes) {
			err = fmt.Errorf("GET: %d bytes, not %d", got.size, c.sizeBytes)
		}
		return got.size, err
	}
}

// list asks for a page from anywhere in the first half of the keys, so that it is full.
func (c *s3) list(query url.Values, element string) turn {
	return func(int, int) (int64, error) {
		page := url.Values{"max-keys": {fmt.Sprint(listMax)}, "prefix": {c.prefix}}
		for name, values := range query {
			page[name] = values
		}
		after := c.keyOf(rand.IntN(c.keyCount - listMax))
		if _, isVersions := query["versions"]; isVersions {
			page.Set("key-marker", after)
		} else {
			page.Set("start-after", after)
		}
		got, err := c.send(call{method: "GET", query: page, status: 200, payloadHash: emptyHash, keep: true})
		if count := bytes.Count(got.body, []byte(element)); err == nil && count != listMax {
			err = fmt.Errorf("list: %d entries, not %d", count, listMax)
		}
		return got.size, err
	}
}

// mixed: 60 GET, 20 HEAD, 15 PUT and 5 listings of a hundred keys.
func (c *s3) mixed() turn {
	get, head, object := c.read("GET"), c.read("HEAD"), c.object(c.sizeBytes)
	return func(worker, number int) (int64, error) {
		switch chance := rand.IntN(100); {
		case chance < 60:
			return get(worker, number)
		case chance < 80:
			return head(worker, number)
		case chance < 95:
			wanted := object
			wanted.key = c.keyOf(rand.IntN(c.keyCount))
			_, err := c.send(wanted)
			return int64(c.sizeBytes), err
		}
		page := url.Values{"list-type": {"2"}, "max-keys": {"100"}, "prefix": {c.prefix}}
		got, err := c.send(call{method: "GET", query: page, status: 200, payloadHash: emptyHash})
		return got.size, err
	}
}

const partBytes = 16 << 20

// multipart uploads an object in parts, one after the other.
func (c *s3) multipart() turn {
	part := c.object(partBytes)
	return func(worker, number int) (int64, error) {
		key := fmt.Sprintf("%s%d-%d", c.prefix, worker, number)
		begun, err := c.send(call{method: "POST", key: key, query: url.Values{"uploads": {""}}, status: 200, keep: true})
		if err != nil {
			return 0, err
		}
		uploadId := between(string(begun.body), "<UploadId>", "</UploadId>")
		var list strings.Builder
		for partNumber := 1; partNumber*partBytes <= c.sizeBytes; partNumber++ {
			wanted := part
			wanted.key = key
			wanted.query = url.Values{"partNumber": {fmt.Sprint(partNumber)}, "uploadId": {uploadId}}
			got, err := c.send(wanted)
			if err != nil {
				return 0, err
			}
			fmt.Fprintf(&list, "<Part><PartNumber>%d</PartNumber><ETag>%s</ETag></Part>", partNumber, got.headers.Get("Etag"))
		}
		body := []byte("<CompleteMultipartUpload>" + list.String() + "</CompleteMultipartUpload>")
		_, err = c.send(call{method: "POST", key: key, query: url.Values{"uploadId": {uploadId}}, body: body, status: 200})
		return int64(c.sizeBytes), err
	}
}

func between(text, from, to string) string {
	_, rest, _ := strings.Cut(text, from)
	found, _, _ := strings.Cut(rest, to)
	return found
}

type version struct {
	Key string `json:"key"`
	Id  string `json:"id"`
}

// makeVersions puts the keys, and leaves in the job's file which versions they became: a call of its own, so that
// nobody takes the cost of making for that of removing.
func (c *s3) makeVersions() error {
	object := c.object(c.sizeBytes)
	made := make([]version, c.keyCount)
	var next atomic.Int64
	var failed atomic.Value
	var workers sync.WaitGroup
	for range c.concurrency {
		workers.Go(func() {
			for number := int(next.Add(1)) - 1; number < c.keyCount; number = int(next.Add(1)) - 1 {
				wanted := object
				wanted.key = c.keyOf(number)
				got, err := c.send(wanted)
				if err != nil {
					failed.CompareAndSwap(nil, err)
					return
				}
				made[number] = version{wanted.key, got.headers.Get("X-Amz-Version-Id")}
			}
		})
	}
	workers.Wait()
	if err, isError := failed.Load().(error); isError {
		return err
	}
	text, err := json.Marshal(made)
	if err != nil {
		return err
	}
	return os.WriteFile(c.versions, text, 0o600)
}

// madeVersions reads what makeVersions left.
func (c *s3) madeVersions() (made []version, err error) {
	text, err := os.ReadFile(c.versions)
	if err == nil {
		err = json.Unmarshal(text, &made)
	}
	return made, err
}

func (c *s3) deleteVersions() (turn, error) {
	made, err := c.madeVersions()
	return func(_, number int) (int64, error) {
		if number >= len(made) {
			return 0, errDone
		}
		one := made[number]
		query := url.Values{"versionId": {one.Id}}
		_, err := c.send(call{method: "DELETE", key: one.Key, query: query, status: 204, payloadHash: emptyHash})
		return 0, err
	}, err
}

// multiDelete takes a hundred versions a request.
func (c *s3) multiDelete() (turn, error) {
	made, err := c.madeVersions()
	return func(_, number int) (int64, error) {
		if (number+1)*deleteMax > len(made) {
			return 0, errDone
		}
		var list strings.Builder
		for _, one := range made[number*deleteMax : (number+1)*deleteMax] {
			fmt.Fprintf(&list, "<Object><Key>%s</Key><VersionId>%s</VersionId></Object>", one.Key, one.Id)
		}
		body := []byte("<Delete><Quiet>true</Quiet>" + list.String() + "</Delete>")
		sum := md5.Sum(body)
		headers := map[string]string{"Content-Md5": base64.StdEncoding.EncodeToString(sum[:])}
		got, err := c.send(call{method: "POST", query: url.Values{"delete": {""}}, body: body, headers: headers, status: 200, keep: true})
		if err == nil && bytes.Contains(got.body, []byte("<Error>")) {
			err = fmt.Errorf("multi-delete: %.300s", got.body)
		}
		return 0, err
	}, err
}

// refusedDelete tries to remove versions that are locked for as long as it may. MinIO refuses with 400.
func (c *s3) refusedDelete() (turn, error) {
	made, err := c.madeVersions()
	return func(_, number int) (int64, error) {
		one := made[number%len(made)]
		query := url.Values{"versionId": {one.Id}}
		_, err := c.send(call{method: "DELETE", key: one.Key, query: query, status: 403, orStatus: 400, payloadHash: emptyHash})
		return 0, err
	}, err
}
