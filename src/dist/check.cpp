#include "dist/check.hpp"

#include <mpi.h>

#include <string_view>

#include "base/error.hpp"
#include "base/host.hpp"

namespace ddls::dist::check {

void mpi_failed(int code, const char* expression, const char* file, int line) {
  char text[MPI_MAX_ERROR_STRING] = "";
  int length = 0;
  if (MPI_Error_string(code, text, &length) != MPI_SUCCESS) length = 0;
  fail(Exit::runtime, "MPI: {} ({} at {}:{} on {})", std::string_view(text, static_cast<size_t>(length)), expression,
       file_name(file), line, host_name());
}

}  // namespace ddls::dist::check
