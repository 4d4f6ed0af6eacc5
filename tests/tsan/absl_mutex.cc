// Debian's abseil is built without ThreadSanitizer, which therefore does not see that
// its mutexes order anything. The linker's --wrap sends their calls through here.
#include <sanitizer/tsan_interface.h>

#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

extern "C" {
void AnnotateIgnoreReadsBegin(const char* file, int line);
void AnnotateIgnoreReadsEnd(const char* file, int line);
}

namespace {
// A mutex may run other threads' conditions: what they read is not ours.
struct IgnoreReads {
  IgnoreReads() { AnnotateIgnoreReadsBegin(__FILE__, __LINE__); }
  ~IgnoreReads() { AnnotateIgnoreReadsEnd(__FILE__, __LINE__); }
};
}  // namespace

#define VX_WRAP_LOCK(symbol)                  \
  extern "C" void __real_##symbol(void* mu);  \
  extern "C" void __wrap_##symbol(void* mu) { \
    {                                         \
      IgnoreReads ignore;                     \
      __real_##symbol(mu);                    \
    }                                         \
    __tsan_acquire(mu);                       \
  }
#define VX_WRAP_UNLOCK(symbol)                \
  extern "C" void __real_##symbol(void* mu);  \
  extern "C" void __wrap_##symbol(void* mu) { \
    __tsan_release(mu);                       \
    IgnoreReads ignore;                       \
    __real_##symbol(mu);                      \
  }
// What gives the mutex up for a while and holds it again on return.
#define VX_WRAP_AWAIT(symbol)                                  \
  extern "C" void __real_##symbol(void* mu, const void* cond); \
  extern "C" void __wrap_##symbol(void* mu, const void* cond) { \
    __tsan_release(mu);                                        \
    {                                                          \
      IgnoreReads ignore;                                      \
      __real_##symbol(mu, cond);                               \
    }                                                          \
    __tsan_acquire(mu);                                        \
  }

// The same with a bound of a TYPE.
#define VX_WRAP_TIMED(symbol, TYPE)                                        \
  extern "C" bool __real_##symbol(void* mu, const void* cond, TYPE bound); \
  extern "C" bool __wrap_##symbol(void* mu, const void* cond, TYPE bound) { \
    __tsan_release(mu);                                                    \
    bool result;                                                           \
    {                                                                      \
      IgnoreReads ignore;                                                  \
      result = __real_##symbol(mu, cond, bound);                           \
    }                                                                      \
    __tsan_acquire(mu);                                                    \
    return result;                                                         \
  }
#define VX_WRAP_CONDVAR(symbol)                       \
  extern "C" void __real_##symbol(void* cv, void* mu);  \
  extern "C" void __wrap_##symbol(void* cv, void* mu) { \
    __tsan_release(mu);                               \
    {                                                 \
      IgnoreReads ignore;                             \
      __real_##symbol(cv, mu);                        \
    }                                                 \
    __tsan_acquire(mu);                               \
  }
#define VX_WRAP_TIMED_CONDVAR(symbol, TYPE)                       \
  extern "C" bool __real_##symbol(void* cv, void* mu, TYPE bound);  \
  extern "C" bool __wrap_##symbol(void* cv, void* mu, TYPE bound) { \
    __tsan_release(mu);                                           \
    bool result;                                                  \
    {                                                             \
      IgnoreReads ignore;                                         \
      result = __real_##symbol(cv, mu, bound);                    \
    }                                                             \
    __tsan_acquire(mu);                                           \
    return result;                                                \
  }

VX_WRAP_LOCK(_ZN4absl7debian35Mutex4LockEv)
VX_WRAP_LOCK(_ZN4absl7debian35Mutex10ReaderLockEv)
VX_WRAP_UNLOCK(_ZN4absl7debian35Mutex6UnlockEv)
VX_WRAP_UNLOCK(_ZN4absl7debian35Mutex12ReaderUnlockEv)
VX_WRAP_AWAIT(_ZN4absl7debian35Mutex5AwaitERKNS0_9ConditionE)
VX_WRAP_AWAIT(_ZN4absl7debian35Mutex8LockWhenERKNS0_9ConditionE)
VX_WRAP_TIMED(_ZN4absl7debian35Mutex16AwaitWithTimeoutERKNS0_9ConditionENS0_8DurationE, absl::Duration)
VX_WRAP_TIMED(_ZN4absl7debian35Mutex17AwaitWithDeadlineERKNS0_9ConditionENS0_4TimeE, absl::Time)
VX_WRAP_TIMED(_ZN4absl7debian35Mutex19LockWhenWithTimeoutERKNS0_9ConditionENS0_8DurationE, absl::Duration)
VX_WRAP_TIMED(_ZN4absl7debian35Mutex20LockWhenWithDeadlineERKNS0_9ConditionENS0_4TimeE, absl::Time)
VX_WRAP_CONDVAR(_ZN4absl7debian37CondVar4WaitEPNS0_5MutexE)
VX_WRAP_TIMED_CONDVAR(_ZN4absl7debian37CondVar15WaitWithTimeoutEPNS0_5MutexENS0_8DurationE, absl::Duration)
VX_WRAP_TIMED_CONDVAR(_ZN4absl7debian37CondVar16WaitWithDeadlineEPNS0_5MutexENS0_4TimeE, absl::Time)
