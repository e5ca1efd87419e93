#pragma once
// numpy's .npz and .npy, read and written. Read: numbers of every type, order and version (npy_header.hpp); arrays of
// text, objects or records are refused where they are asked for. Written: C order, little endian, stored, not deflated.
// All tensors are CPU and contiguous.
#include <ATen/core/Tensor.h>

#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "tensor/npy_header.hpp"

namespace ddls::tensor {

using NamedTensors = std::map<std::string, at::Tensor>;

// `wanted`: arrays of these names, those that are there; empty: all. Others are not looked at, nor are entries that are
// no arrays. Throws Error: missing (no file), data (damaged, not an npz, no numbers; names file and entry).
NamedTensors read_npz(const std::filesystem::path& path, const std::set<std::string>& wanted = {});
at::Tensor read_npy(const std::filesystem::path& path);
std::vector<std::string> npz_names(const std::filesystem::path& path);  // of its arrays, in the file's order

// One array of an .npz, left in its file; rows are read when they are asked for. An array that is
// deflated or in Fortran order cannot be entered in its middle and is held whole.
class NpzArray {
 public:
  enum class Checksum { compare, trust };
  // To compare its checksum it reads the whole array once, piece by piece. `trust`: of files that are verified
  // otherwise, and of which only some rows are wanted. Throws Error as read_npz does; data: no array `name`.
  NpzArray(std::filesystem::path path, const std::string& name, Checksum checksum = Checksum::compare);
  at::ScalarType dtype() const { return header_.dtype; }
  const std::vector<int64_t>& sizes() const { return header_.sizes; }
  at::Tensor rows(int64_t begin, int64_t count) const;  // [count, sizes()[1:]]. Thread safe.

 private:
  std::filesystem::path path_;
  std::string where_;
  uint64_t entry_ = 0, data_begin_ = 0;
  NpyHeader header_;
  at::Tensor whole_;  // undefined where the file is read
};

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

}  // namespace ddls::tensor
