#include "tensor/foreign_network.hpp"

#include <ATen/ATen.h>

#include <algorithm>
#include <new>
#include <regex>

#include "base/error.hpp"

namespace ddls::tensor {
namespace {

bool contains(const std::string& text, const char* part) { return text.find(part) != std::string::npos; }

// The interpreter throws types of its own whatever happened below it, so that only the text tells.
bool is_of_machine(const std::string& reason) {
  for (const char* part : {"out of memory", "can't allocate memory", "not enough memory", "CUDA error:", "cuDNN error:",
                           "CUBLAS_STATUS_", "CUDNN_STATUS_EXECUTION", "device-side assert"})
    if (contains(reason, part)) return true;
  return false;
}

std::string line_of(std::string text, size_t most) {
  text = std::regex_replace(text, std::regex("\\s+"), " ");
  const size_t begin = text.find_first_not_of(' ');
  text = begin == std::string::npos ? std::string() : text.substr(begin);
  while (text.ends_with(' ') || text.ends_with('.')) text.pop_back();
  return text.size() > most ? text.substr(0, most) + " ..." : text;
}

}  // namespace

std::string short_reason(const std::exception& error) {
  const auto* const torch_error = dynamic_cast<const c10::Error*>(&error);
  std::string text = torch_error != nullptr ? torch_error->what_without_backtrace() : error.what();
  if (contains(text, "Traceback of TorchScript")) {
    // The reason stands behind the trace, after the name of a type.
    static const std::regex named("(^|\\n)[A-Za-z_.]*(Error|Exception|Exit): ");
    size_t behind = std::string::npos;
    for (auto at = std::sregex_iterator(text.begin(), text.end(), named); at != std::sregex_iterator(); ++at)
      behind = static_cast<size_t>(at->position() + at->length());
    if (behind != std::string::npos) text = text.substr(behind);
  }
  constexpr std::string_view report = "please report a bug to PyTorch.";
  if (const size_t at = text.find(report); at != std::string::npos) text = text.substr(at + report.size());
  if (contains(text, "INTERNAL ASSERT")) text.clear();
  if (const size_t begin = text.find_first_not_of(" \n"); begin != std::string::npos)
    text = text.substr(begin, text.find('\n', begin) - begin);
  text = line_of(text, 240);
  return text.empty() ? "its interpreter gives no reason" : text;
}

std::string reason_or_rethrow() {
  try {
    throw;
  } catch (const Error&) {
    throw;
  } catch (const c10::OutOfMemoryError&) {
    throw;
  } catch (const c10::AcceleratorError&) {
    throw;
  } catch (const std::bad_alloc&) {
    throw;
  } catch (const std::exception& error) {
    return short_reason(error);
  }
}

void throw_as_foreign(const std::string& file, const std::string& what) {
  const std::string reason = reason_or_rethrow();
  fail(is_of_machine(reason) ? Exit::runtime : Exit::data, "{}: {}: {}", file, what, reason);
}

std::vector<at::Tensor> ForeignNetwork::operator()(const at::Tensor& input, const at::Tensor& labels) const {
  try {
    return call(input, labels);
  } catch (...) {
    throw_as_foreign(file, fmt::format("forward fails on an input [{}]{}", fmt::join(input.sizes(), ", "),
                                       labels.defined() ? " and labels" : ""));
  }
}

}  // namespace ddls::tensor
