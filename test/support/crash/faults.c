/*
 * Disk faults for a server under test, loaded by LD_PRELOAD (test/support/crash/faults.ts). The rule lies in a file that
 * every process maps, so a test sets and reads it while the server runs. Its layout is that of `faults.ts`.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

enum action { PASS = 0, FAIL = 1, SWALLOW = 2, SHORTEN = 3, UNSYNCHRONOUS = 4, DELAY = 5 };

struct rule {
  int32_t action;
  /* Of FAIL: the errno; of DELAY: milliseconds. */
  int32_t detail;
  /* Matching calls that are let through first, and how many are faulted after them. */
  int32_t passed;
  int32_t faulted;
  int32_t matches;
  int32_t hits;
  /* A process that the rule is not for. */
  int32_t spared;
  char call[32];
  char place[192];
};

static struct rule *rule;

__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("HOLDFAST_TEST_FAULTS");
  int descriptor = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
  if (descriptor < 0) return;
  void *mapped = mmap(NULL, sizeof(struct rule), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  if (mapped != MAP_FAILED) rule = mapped;
}

static int judge(const char *call, const char *path) {
  if (rule == NULL || rule->action == PASS || strcmp(rule->call, call) != 0) return PASS;
  if (rule->spared == getpid()) return PASS;
  if (fnmatch(rule->place, path, 0) != 0) return PASS;
  int index = __atomic_fetch_add(&rule->matches, 1, __ATOMIC_SEQ_CST);
  if (index < rule->passed || index - rule->passed >= rule->faulted) return PASS;
  __atomic_fetch_add(&rule->hits, 1, __ATOMIC_SEQ_CST);
  if (rule->action == DELAY) {
    usleep((useconds_t)rule->detail * 1000);
    return PASS;
  }
  if (rule->action == FAIL) errno = rule->detail;
  return rule->action;
}

static int judge_descriptor(const char *call, int descriptor) {
  if (rule == NULL || rule->action == PASS) return PASS;
  int synchronous = strcmp(call, "write") == 0 && (fcntl(descriptor, F_GETFL) & O_DSYNC) != 0;
  if (synchronous) call = "write synchronous";
  if (strcmp(rule->call, call) != 0) return PASS;
  char name[64], path[4096];
  snprintf(name, sizeof name, "/proc/self/fd/%d", descriptor);
  ssize_t length = readlink(name, path, sizeof path - 1);
  if (length < 0) return PASS;
  path[length] = 0;
  return judge(call, path);
}

#define NEXT(name, type) \
  static type next; \
  if (next == NULL) next = (type)dlsym(RTLD_NEXT, name)

typedef int (*sync_call)(int);
#define SYNC(name) \
  int name(int descriptor) { \
    NEXT(#name, sync_call); \
    int action = judge_descriptor("sync", descriptor); \
    return action == PASS ? next(descriptor) : action == SWALLOW ? 0 : -1; \
  }
SYNC(fsync)
SYNC(fdatasync)

typedef ssize_t (*write_call)(int, const void *, size_t);
ssize_t write(int descriptor, const void *bytes, size_t size) {
  NEXT("write", write_call);
  int action = judge_descriptor("write", descriptor);
  return action == PASS ? next(descriptor, bytes, size) : action == SHORTEN ? next(descriptor, bytes, size / 2) : -1;
}

typedef ssize_t (*pwrite_call)(int, const void *, size_t, off64_t);
#define PWRITE(name, offset_type) \
  ssize_t name(int descriptor, const void *bytes, size_t size, offset_type offset) { \
    NEXT(#name, pwrite_call); \
    int action = judge_descriptor("write", descriptor); \
    if (action == SHORTEN) size /= 2; \
    return action == PASS || action == SHORTEN ? next(descriptor, bytes, size, offset) : -1; \
  }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

/* A short vector is the first half of its first piece. */
typedef ssize_t (*writev_call)(int, const struct iovec *, int);
ssize_t writev(int descriptor, const struct iovec *pieces, int count) {
  NEXT("writev", writev_call);
  int action = judge_descriptor("write", descriptor);
  struct iovec half = {pieces[0].iov_base, pieces[0].iov_len / 2};
  return action == PASS ? next(descriptor, pieces, count) : action == SHORTEN ? next(descriptor, &half, 1) : -1;
}

typedef ssize_t (*pwritev_call)(int, const struct iovec *, int, off64_t);
#define PWRITEV(name, offset_type) \
  ssize_t name(int descriptor, const struct iovec *pieces, int count, offset_type offset) { \
    NEXT(#name, pwritev_call); \
    int action = judge_descriptor("write", descriptor); \
    struct iovec half = {pieces[0].iov_base, pieces[0].iov_len / 2}; \
    return action == PASS      ? next(descriptor, pieces, count, offset) \
           : action == SHORTEN ? next(descriptor, &half, 1, offset) \
                               : -1; \
  }
PWRITEV(pwritev, off_t)
PWRITEV(pwritev64, off64_t)

typedef int (*open_call)(const char *, int, ...);
#define OPEN(name) \
  int name(const char *path, int flags, ...) { \
    NEXT(#name, open_call); \
    va_list rest; \
    va_start(rest, flags); \
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(rest, mode_t) : 0; \
    va_end(rest); \
    int action = judge((flags & O_DSYNC) != 0 ? "open synchronous" : "open", path); \
    if (action == UNSYNCHRONOUS) flags &= ~(O_DSYNC | O_SYNC); \
    return action == PASS || action == UNSYNCHRONOUS ? next(path, flags, mode) : -1; \
  }
OPEN(open)
OPEN(open64)

typedef int (*two_paths_call)(const char *, const char *);
#define TWO_PATHS(name) \
  int name(const char *from, const char *to) { \
    NEXT(#name, two_paths_call); \
    return judge(#name, to) == PASS ? next(from, to) : -1; \
  }
TWO_PATHS(link)
TWO_PATHS(rename)

typedef int (*path_call)(const char *);
int unlink(const char *path) {
  NEXT("unlink", path_call);
  return judge("unlink", path) == PASS ? next(path) : -1;
}

typedef int (*mkdir_call)(const char *, mode_t);
int mkdir(const char *path, mode_t mode) {
  NEXT("mkdir", mkdir_call);
  return judge("mkdir", path) == PASS ? next(path, mode) : -1;
}
