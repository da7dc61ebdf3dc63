package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"sort"
	"strings"
	"sync"
	"time"
)

const unsignedPayload = "UNSIGNED-PAYLOAD"

var emptyHash = hashOf(nil)

func hashOf(bytes []byte) string {
	sum := sha256.Sum256(bytes)
	return hex.EncodeToString(sum[:])
}

func hmacOf(key []byte, text string) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(text))
	return mac.Sum(nil)
}

// The signing key of a day.
type signer struct {
	accessKey, secretKey, region string
	lock                         sync.Mutex
	day                          string
	key                          []byte
}

func (s *signer) keyOf(day string) []byte {
	s.lock.Lock()
	defer s.lock.Unlock()
	if s.day != day {
		key := hmacOf([]byte("AWS4"+s.secretKey), day)
		for _, part := range []string{s.region, "s3", "aws4_request"} {
			key = hmacOf(key, part)
		}
		s.day, s.key = day, key
	}
	return s.key
}

// sign adds the headers of SigV4; every header that is there by then is signed. The path has nothing to escape.
func (s *signer) sign(request *http.Request, query url.Values, payloadHash string) {
	stamp := time.Now().UTC().Format("20060102T150405Z")
	day := stamp[:8]
	request.Header.Set("X-Amz-Date", stamp)
	request.Header.Set("X-Amz-Content-Sha256", payloadHash)
	names := []string{"host"}
	for name := range request.Header {
		names = append(names, strings.ToLower(name))
	}
	sort.Strings(names)
	var canonical strings.Builder
	canonical.WriteString(request.Method + "\n" + request.URL.Path + "\n")
	canonical.WriteString(strings.ReplaceAll(query.Encode(), "+", "%20") + "\n")
	for _, name := range names {
		value := request.URL.Host
		if name != "host" {
			value = request.Header.Get(name)
		}
		canonical.WriteString(name + ":" + value + "\n")
	}
	signed := strings.Join(names, ";")
	canonical.WriteString("\n" + signed + "\n" + payloadHash)
	scope := day + "/" + s.region + "/s3/aws4_request"
	text := "AWS4-HMAC-SHA256\n" + stamp + "\n" + scope + "\n" + hashOf([]byte(canonical.String()))
	signature := hex.EncodeToString(hmacOf(s.keyOf(day), text))
	request.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+s.accessKey+"/"+scope+
		", SignedHeaders="+signed+", Signature="+signature)
}
