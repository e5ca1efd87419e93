#pragma once
// Names for error messages.
#include <string>
#include <string_view>

namespace ddls {

std::string host_name();                            // of this machine; "unknown host" where it has none
std::string_view file_name(std::string_view path);  // the last component

}  // namespace ddls
