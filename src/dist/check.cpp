#include "dist/check.hpp"

#include <mpi.h>

#include <string>
#include <string_view>

#include "base/error.hpp"
#include "dist/host.hpp"

namespace ddls {

std::string host_name() {
  char name[MPI_MAX_PROCESSOR_NAME] = "";
  int length = 0;
  if (MPI_Get_processor_name(name, &length) != MPI_SUCCESS) return "unknown host";
  return std::string(name, static_cast<size_t>(length));
}

std::string_view file_name(std::string_view path) { return path.substr(path.rfind('/') + 1); }

namespace check {

void mpi_failed(int code, const char* expression, const char* file, int line) {
  char text[MPI_MAX_ERROR_STRING] = "";
  int length = 0;
  if (MPI_Error_string(code, text, &length) != MPI_SUCCESS) length = 0;
  fail(Exit::runtime, "MPI: {} ({} at {}:{} on {})", std::string_view(text, static_cast<size_t>(length)), expression,
       file_name(file), line, host_name());
}

}  // namespace check
}  // namespace ddls
