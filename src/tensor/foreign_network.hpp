#pragma once
// A network that others made, whatever kind of file it came in: one function of tensors, whose interpreter's errors
// become ours.
#include <ATen/core/Tensor.h>

#include <exception>
#include <functional>
#include <string>
#include <vector>

#include "tensor/npz.hpp"

namespace ddls::tensor {

struct ForeignNetwork {
  std::string file;  // names it in every message
  // input: [n, ...]; labels: [n] int64, undefined for networks that take none. May throw anything.
  std::function<std::vector<at::Tensor>(const at::Tensor& input, const at::Tensor& labels)> call = {};
  std::function<NamedTensors()> tensors = {};  // weights and buffers as they are now, shared; empty: not known

  // `call`, with the errors of `in_network`.
  std::vector<at::Tensor> operator()(const at::Tensor& input, const at::Tensor& labels = {}) const;
};

// What an interpreter says, in one line: no trace, no address of its source.
std::string short_reason(const std::exception& error);

// In a catch block: the short_reason of what is being handled. An Error, and what is memory's or the accelerator's and
// no interpreter's, is thrown on.
std::string reason_or_rethrow();

// In a catch block: throws what is being handled as an Error "FILE: WHAT: reason". Error(data) is the rule; memory and
// the accelerator are no fault of the file: Error(runtime). An Error passes as it is.
[[noreturn]] void throw_as_foreign(const std::string& file, const std::string& what);

template <typename F>
auto in_network(const std::string& file, const std::string& what, F&& f) -> decltype(f()) {
  try {
    return f();
  } catch (...) {
    throw_as_foreign(file, what);
  }
}

}  // namespace ddls::tensor
