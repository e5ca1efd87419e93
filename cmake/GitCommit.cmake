# Run by every build (cmake -P), so that a binary names the commit it was made from and not the one of the last
# configuration. The file is written only when its content changes.
execute_process(COMMAND git --no-optional-locks -C ${SOURCE_DIR} describe --always --dirty --abbrev=12
  OUTPUT_VARIABLE commit OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET RESULT_VARIABLE failed)
if(failed)
  set(commit unknown)  # no git, or no repository: a source archive
endif()
file(CONFIGURE OUTPUT ${OUTPUT} CONTENT [[
#include "version.hpp"

namespace ddls::version {
const char* const git_commit = "@commit@";
}
]] @ONLY)
