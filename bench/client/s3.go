package main

import (
	"bytes"
	"crypto/md5"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"hash/crc64"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

type s3 struct {
	job
	http   *http.Client
	signer *signer
}

type call struct {
	method  string
	key     string
	query   url.Values
	headers map[string]string
	body    []byte
	// Empty: computed here.
	payloadHash string
	status      int
	// Another status that says the same at one of the servers; 0: none.
	orStatus int
	// True: the answer's bytes are wanted, not only counted.
	keep bool
}

type answer struct {
	headers http.Header
	body    []byte
	size    int64
}

// send fails where the answer is another than the one expected.
func (c *s3) send(wanted call) (answer, error) {
	target := c.endpoint + "/" + c.bucket
	if wanted.key != "" {
		target += "/" + wanted.key
	}
	if len(wanted.query) > 0 {
		target += "?" + strings.ReplaceAll(wanted.query.Encode(), "+", "%20")
	}
	request, err := http.NewRequest(wanted.method, target, bytes.NewReader(wanted.body))
	if err != nil {
		return answer{}, err
	}
	for name, value := range wanted.headers {
		request.Header.Set(name, value)
	}
	hash := wanted.payloadHash
	if hash == "" {
		hash = hashOf(wanted.body)
	}
	c.signer.sign(request, wanted.query, hash)
	response, err := c.http.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	isExpected := response.StatusCode == wanted.status || response.StatusCode == wanted.orStatus
	if wanted.keep || !isExpected {
		text, err := io.ReadAll(response.Body)
		if err == nil && !isExpected {
			err = fmt.Errorf("%s /%s: %d, not %d: %.300s", wanted.method, wanted.key, response.StatusCode, wanted.status, text)
		}
		return answer{headers: response.Header, body: text, size: int64(len(text))}, err
	}
	size, err := io.Copy(io.Discard, response.Body)
	return answer{headers: response.Header, size: size}, err
}

var nvme = crc64.MakeTable(0x9a6c9329ac4bc9b5)

// An object of the job's size, with every header that its PUT has.
func (c *s3) object(sizeBytes int) call {
	body := bytes.Repeat([]byte("holdfast"), sizeBytes/8+1)[:sizeBytes]
	made := call{method: "PUT", body: body, status: 200, headers: map[string]string{}}
	if c.payload == "crc64" {
		made.payloadHash = unsignedPayload
		sum := binary.BigEndian.AppendUint64(nil, crc64.Checksum(body, nvme))
		made.headers["X-Amz-Checksum-Crc64nvme"] = base64.StdEncoding.EncodeToString(sum)
	} else {
		made.payloadHash = hashOf(body)
	}
	if c.complianceDays > 0 {
		sum := md5.Sum(body)
		until := time.Now().UTC().Add(time.Duration(c.complianceDays) * 24 * time.Hour)
		made.headers["Content-Md5"] = base64.StdEncoding.EncodeToString(sum[:])
		made.headers["X-Amz-Object-Lock-Mode"] = "COMPLIANCE"
		made.headers["X-Amz-Object-Lock-Retain-Until-Date"] = until.Format("2006-01-02T15:04:05Z")
	}
	return made
}

// loopback is what TCP between two threads of this machine carries: nothing here is faster.
func loopback(duration time.Duration) (result, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return result{}, err
	}
	defer listener.Close()
	go func() {
		connection, err := listener.Accept()
		if err != nil {
			return
		}
		defer connection.Close()
		piece := make([]byte, 1<<20)
		for end := time.Now().Add(duration); time.Now().Before(end); {
			if _, err := connection.Write(piece); err != nil {
				return
			}
		}
	}()
	connection, err := net.Dial("tcp", listener.Addr().String())
	if err != nil {
		return result{}, err
	}
	defer connection.Close()
	begin := time.Now()
	var total int64
	piece := make([]byte, 1<<20)
	for {
		count, err := connection.Read(piece)
		total += int64(count)
		if err != nil {
			return result{Bytes: total, Seconds: time.Since(begin).Seconds()}, nil
		}
	}
}
