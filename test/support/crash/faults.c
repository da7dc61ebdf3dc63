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

enum action { PASS = 0, FAIL = 1, SWALLOW = 2, SHORTEN = 3, UNSYNCHRONOUS = 4, DELAY = 5, HOLD = 6 };

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
  /* Of HOLD: one call at a time waits until `released` is as high as its number. */
  int32_t turn;
  int32_t held;
  int32_t released;
  int32_t process;
  char held_call[32];
  char held_place[256];
};

static struct rule *rule;

__attribute__((constructor)) static void begin(void) {
  const char *path = getenv("HOLDFAST_TEST_FAULTS");
  int descriptor = path == NULL ? -1 : open(path, O_RDWR | O_CLOEXEC);
  if (descriptor < 0) return;
  void *mapped = mmap(NULL, sizeof(struct rule), PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, 0);
  if (mapped != MAP_FAILED) rule = mapped;
}

/* Every call that changes the volume, and every answer, waits here for the test to look at the volume. */
static void hold(const char *call, const char *path) {
  if (fnmatch(rule->place, path, 0) != 0 && strcmp(call, "answer") != 0) return;
  for (int32_t free = 0; !__atomic_compare_exchange_n(&rule->turn, &free, 1, 0, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
       free = 0)
    usleep(100);
  if (rule->action == HOLD) {
    snprintf(rule->held_call, sizeof rule->held_call, "%s", call);
    snprintf(rule->held_place, sizeof rule->held_place, "%s", path);
    rule->process = getpid();
    int32_t number = __atomic_add_fetch(&rule->held, 1, __ATOMIC_SEQ_CST);
    while (rule->action == HOLD && __atomic_load_n(&rule->released, __ATOMIC_SEQ_CST) < number) usleep(100);
  }
  __atomic_store_n(&rule->turn, 0, __ATOMIC_SEQ_CST);
}

static int judge(const char *call, const char *path) {
  if (rule == NULL || rule->action == PASS) return PASS;
  if (rule->action == HOLD) {
    if (strncmp(call, "open", 4) != 0) hold(call, path);
    return PASS;
  }
  if (strcmp(rule->call, call) != 0) return PASS;
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

/* A volume is reached through a descriptor of its folder: rules are about the folder's own name. */
static const char *resolved(const char *path, char *buffer, size_t size) {
  if (strncmp(path, "/proc/self/fd/", 14) != 0) return path;
  const char *rest = strchr(path + 14, '/');
  if (rest == NULL) rest = path + strlen(path);
  char name[64];
  snprintf(name, sizeof name, "%.*s", (int)(rest - path), path);
  ssize_t length = readlink(name, buffer, size - 1);
  if (length < 0) return path;
  snprintf(buffer + length, size - (size_t)length, "%s", rest);
  return buffer;
}

static int judge_path(const char *call, const char *path) {
  if (rule == NULL || rule->action == PASS) return PASS;
  char buffer[4096];
  return judge(call, resolved(path, buffer, sizeof buffer));
}

static int judge_descriptor(const char *call, int descriptor) {
  if (rule == NULL || rule->action == PASS) return PASS;
  int synchronous = strcmp(call, "write") == 0 && (fcntl(descriptor, F_GETFL) & O_DSYNC) != 0;
  if (synchronous) call = "write synchronous";
  if (rule->action != HOLD && strcmp(rule->call, call) != 0) return PASS;
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

static void hold_answer(const void *bytes, size_t size) {
  if (rule != NULL && rule->action == HOLD && size >= 9 && memcmp(bytes, "HTTP/1.1 ", 9) == 0) hold("answer", "");
}

typedef ssize_t (*write_call)(int, const void *, size_t);
ssize_t write(int descriptor, const void *bytes, size_t size) {
  NEXT("write", write_call);
  hold_answer(bytes, size);
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

#define PREAD(name, offset_type) \
  ssize_t name(int descriptor, void *bytes, size_t size, offset_type offset) { \
    static ssize_t (*next)(int, void *, size_t, offset_type); \
    if (next == NULL) next = (ssize_t(*)(int, void *, size_t, offset_type))dlsym(RTLD_NEXT, #name); \
    int action = rule == NULL || rule->action == HOLD ? PASS : judge_descriptor("read", descriptor); \
    if (action == SHORTEN) size /= 2; \
    return action == PASS || action == SHORTEN ? next(descriptor, bytes, size, offset) : -1; \
  }
PREAD(pread, off_t)
PREAD(pread64, off64_t)

/* A short vector is the first half of its first piece. */
typedef ssize_t (*writev_call)(int, const struct iovec *, int);
ssize_t writev(int descriptor, const struct iovec *pieces, int count) {
  NEXT("writev", writev_call);
  hold_answer(pieces[0].iov_base, pieces[0].iov_len);
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
    char buffer[4096]; \
    if (rule != NULL && rule->action == HOLD && (flags & O_CREAT) != 0) \
      hold("create", resolved(path, buffer, sizeof buffer)); \
    int action = judge_path((flags & O_DSYNC) != 0 ? "open synchronous" : "open", path); \
    if (action == UNSYNCHRONOUS) flags &= ~(O_DSYNC | O_SYNC); \
    return action == PASS || action == UNSYNCHRONOUS ? next(path, flags, mode) : -1; \
  }
OPEN(open)
OPEN(open64)

typedef int (*two_paths_call)(const char *, const char *);
#define TWO_PATHS(name) \
  int name(const char *from, const char *to) { \
    NEXT(#name, two_paths_call); \
    return judge_path(#name, to) == PASS ? next(from, to) : -1; \
  }
TWO_PATHS(link)
TWO_PATHS(rename)

typedef int (*path_call)(const char *);
#define ONE_PATH(name) \
  int name(const char *path) { \
    NEXT(#name, path_call); \
    return judge_path(#name, path) == PASS ? next(path) : -1; \
  }
ONE_PATH(unlink)
ONE_PATH(rmdir)

typedef int (*truncate_call)(int, off64_t);
#define TRUNCATE(name, offset_type) \
  int name(int descriptor, offset_type size) { \
    NEXT(#name, truncate_call); \
    return judge_descriptor("truncate", descriptor) == PASS ? next(descriptor, size) : -1; \
  }
TRUNCATE(ftruncate, off_t)
TRUNCATE(ftruncate64, off64_t)

typedef int (*mkdir_call)(const char *, mode_t);
int mkdir(const char *path, mode_t mode) {
  NEXT("mkdir", mkdir_call);
  return judge_path("mkdir", path) == PASS ? next(path, mode) : -1;
}
