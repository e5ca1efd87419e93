#pragma once
// Who is told what an inference graph runs. Tensors are lent for the call: whoever kept one would change which
// operations work in place (sole_owner), and with that the memory they take.
#include "inference/operation.hpp"

namespace ddls::inference {

class OperationObserver {
 public:
  virtual ~OperationObserver() = default;
  // Once, before all others: `operations` of the network called `name` are those that will run; they stay where they
  // are.
  virtual void watches(const std::string& name, const Operations& operations) = 0;
  // Calls nest: operations run inside operations.
  virtual void begins(const Operation& operation, Pass pass, const at::Tensor& input) = 0;
  virtual void ends(const at::Tensor& result) = 0;
  virtual void recalls(const at::Tensor& kept) = 0;  // from the tape, by the operation that runs
};

}  // namespace ddls::inference
