// One load client for every server that the benchmark compares: net/http with keep-alive, its own SigV4, every hash
// computed before the clock starts. One call runs one workload and prints one JSON object.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"net/http"
	"os"
	"sort"
	"sync"
	"sync/atomic"
	"time"
)

// job is what a call is to do; bench/workloads.ts says what each workload means.
type job struct {
	endpoint    string
	bucket      string
	accessKey   string
	secretKey   string
	region      string
	workload    string
	prefix      string
	sizeBytes   int
	concurrency int
	keyCount    int
	seconds     float64
	// Requests at most; 0: as many as fit the time.
	requests int
	// `signed`: the payload's hash is in the signature. `crc64`: UNSIGNED-PAYLOAD and x-amz-checksum-crc64nvme.
	payload string
	// Days of COMPLIANCE in the headers of a PUT; 0: none.
	complianceDays int
	// The file of the versions that `versions` makes, and the workloads that remove versions take.
	versions string
}

type result struct {
	Requests int `json:"requests"`
	Errors   int `json:"errors"`
	// The first one, in words.
	Error     string  `json:"error"`
	Seconds   float64 `json:"seconds"`
	PerSecond float64 `json:"perSecond"`
	P50Ms     float64 `json:"p50Ms"`
	P99Ms     float64 `json:"p99Ms"`
	Bytes     int64   `json:"bytes"`
}

func main() {
	var given job
	flag.StringVar(&given.endpoint, "endpoint", "http://127.0.0.1:9000", "")
	flag.StringVar(&given.bucket, "bucket", "bench", "")
	flag.StringVar(&given.accessKey, "access-key", "", "")
	flag.StringVar(&given.secretKey, "secret-key", "", "")
	flag.StringVar(&given.region, "region", "us-east-1", "")
	flag.StringVar(&given.workload, "workload", "", "")
	flag.StringVar(&given.prefix, "prefix", "", "")
	flag.IntVar(&given.sizeBytes, "size", 4096, "")
	flag.IntVar(&given.concurrency, "concurrency", 1, "")
	flag.IntVar(&given.keyCount, "keys", 1000, "")
	flag.Float64Var(&given.seconds, "seconds", 2, "")
	flag.IntVar(&given.requests, "requests", 0, "")
	flag.StringVar(&given.payload, "payload", "signed", "")
	flag.IntVar(&given.complianceDays, "compliance-days", 0, "")
	flag.StringVar(&given.versions, "versions", "", "")
	flag.Parse()
	measured, err := run(given)
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench-client:", err)
		os.Exit(1)
	}
	if err := json.NewEncoder(os.Stdout).Encode(measured); err != nil {
		os.Exit(1)
	}
}

func run(given job) (result, error) {
	transport := &http.Transport{MaxIdleConnsPerHost: given.concurrency, MaxConnsPerHost: given.concurrency, DisableCompression: true}
	client := &s3{job: given, http: &http.Client{Transport: transport, Timeout: time.Minute}}
	if given.workload == "loopback" {
		return loopback(time.Duration(given.seconds * float64(time.Second)))
	}
	turn, err := client.prepare()
	if err != nil {
		return result{}, err
	}
	return measure(given, turn), nil
}

// errDone ends a worker that has nothing left to do.
var errDone = fmt.Errorf("done")

// measure lets every worker take turns until the time or the requests are used up, and one at least. A turn that fails is counted and
// has no latency; a workload whose turns fail is no measurement, and bench/ refuses it.
func measure(given job, turn func(worker, number int) (int64, error)) result {
	var started, failed, bytes atomic.Int64
	var firstError atomic.Value
	latencies := make([][]time.Duration, given.concurrency)
	begin := time.Now()
	end := begin.Add(time.Duration(given.seconds * float64(time.Second)))
	var workers sync.WaitGroup
	for worker := range given.concurrency {
		workers.Go(func() {
			for first := true; first || time.Now().Before(end); first = false {
				number := int(started.Add(1)) - 1
				if given.requests > 0 && number >= given.requests {
					return
				}
				before := time.Now()
				size, err := turn(worker, number)
				if err == errDone {
					return
				}
				if err != nil {
					failed.Add(1)
					firstError.CompareAndSwap(nil, err.Error())
					continue
				}
				bytes.Add(size)
				latencies[worker] = append(latencies[worker], time.Since(before))
			}
		})
	}
	workers.Wait()
	seconds := time.Since(begin).Seconds()
	all := []time.Duration{}
	for _, some := range latencies {
		all = append(all, some...)
	}
	sort.Slice(all, func(a, b int) bool { return all[a] < all[b] })
	measured := result{Requests: len(all), Errors: int(failed.Load()), Seconds: seconds, Bytes: bytes.Load()}
	if text, ok := firstError.Load().(string); ok {
		measured.Error = text
	}
	measured.PerSecond = float64(len(all)) / seconds
	measured.P50Ms = quantile(all, 0.5)
	measured.P99Ms = quantile(all, 0.99)
	return measured
}

func quantile(sorted []time.Duration, fraction float64) float64 {
	if len(sorted) == 0 {
		return 0
	}
	index := int(fraction * float64(len(sorted)-1))
	return float64(sorted[index].Microseconds()) / 1000
}
