/** C++ that makes TensorFlow respect TF_CPP_MIN_LOG_LEVEL as it does in Python. */

/**
 * TensorFlow logs through Abseil, which leaves the variable to the program. This runs when the
 * binding is loaded, before TensorFlow starts. Weak, since old versions do not have the function.
 */
export const LOG_LEVEL_SOURCE = `#include <cstdlib>
#if __has_include("absl/log/globals.h")
#include "absl/log/globals.h"
namespace absl {
ABSL_NAMESPACE_BEGIN
void SetMinLogLevel(LogSeverityAtLeast severity) __attribute__((weak));
ABSL_NAMESPACE_END
}  // namespace absl
namespace {
const bool is_set = [] {
  const char* level = std::getenv("TF_CPP_MIN_LOG_LEVEL");
  if (level == nullptr || &absl::SetMinLogLevel == nullptr) return false;
  absl::SetMinLogLevel(static_cast<absl::LogSeverityAtLeast>(std::atoi(level)));
  return true;
}();
}  // namespace
#endif
`;

/**
 * The library prints two lines while it is loaded, before anyone can set a level. This addon, which
 * does not depend on it, loads it with standard error closed off unless everything is to be seen.
 */
export const QUIET_START_SOURCE = `#include <dlfcn.h>
#include <fcntl.h>
#include <unistd.h>
#include <cstdlib>
#include <node_api.h>
NAPI_MODULE_INIT() {
  const char* level = std::getenv("TF_CPP_MIN_LOG_LEVEL");
  if (level == nullptr || std::atoi(level) < 1) return exports;
  const int kept = dup(STDERR_FILENO);
  const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
  if (kept >= 0 && nowhere >= 0) dup2(nowhere, STDERR_FILENO);
  // An error is met again, and reported, where the binding is loaded.
  dlopen(FRAMEWORK, RTLD_NOW | RTLD_LOCAL);
  if (kept >= 0) {
    dup2(kept, STDERR_FILENO);
    close(kept);
  }
  if (nowhere >= 0) close(nowhere);
  return exports;
}
`;
