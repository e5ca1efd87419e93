#pragma once
// The text of the kernels and of the headers that they include, which the build copies into the program.
#include <span>

namespace ddls::device {

struct SourceText {
  const char* name;  // as an #include names it: "base/philox.hpp"
  const char* text;
};

std::span<const SourceText> kernel_sources();  // the kernels themselves, then headers

}  // namespace ddls::device
