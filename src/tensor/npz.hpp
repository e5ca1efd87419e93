#pragma once
// numpy's .npz and .npy, read and written. Entries are stored, not deflated. dtypes: uint8, int32, int64, float32,
// float64; C order, little endian; anything else is refused. All tensors are CPU and contiguous.
#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <string>
#include <vector>

namespace ddls {

using NamedTensors = std::map<std::string, at::Tensor>;

// Throws Error: missing (no file), data (damaged, not an npz, wrong dtype; names file and entry).
NamedTensors read_npz(const std::filesystem::path& path);
at::Tensor read_npy(const std::filesystem::path& path);
// Complete or absent (write, fsync, rename). The bytes depend on the tensors alone (fixed time stamps, sorted names).
void write_npz(const std::filesystem::path& path, const NamedTensors& arrays);

// Writes one .npz whose arrays arrive in pieces along the first dimension, so that nothing has to be held whole.
// Sizes are known beforehand. `append` per array in order: all pieces of the first array, then of the second.
class NpzWriter {
 public:
  struct Entry {
    std::string name;
    at::ScalarType dtype;
    std::vector<int64_t> sizes;
  };
  NpzWriter(std::filesystem::path path, std::vector<Entry> entries);
  ~NpzWriter();  // removes the partial file if `finish` was not reached
  void append(const at::Tensor& rows);
  void finish();  // checks that all rows came, writes the directory, fsyncs, renames

 private:
  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace ddls
