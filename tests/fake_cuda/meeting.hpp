#pragma once
// Where the ranks of a fake NCCL communicator meet: a file in shared memory, mapped by all of them.
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <string>

namespace ddls::fake_cuda {

// What a rank is about to do. Ranks that differ in it would wait for each other for ever, or read beyond their data.
struct Header {
  uint64_t number = 0, count = 0;
  int operation = 0, type = 0, how = 0;  // how: the reduction, or the root

  bool operator==(const Header&) const = default;
};

class Meeting {
 public:
  static constexpr int most_ranks = 8;
  static constexpr size_t chunk_bytes = size_t{1} << 18;

  // Throws where there is no such file, or no room.
  Meeting(const std::string& name, int rank, int ranks);
  ~Meeting();
  Meeting(const Meeting&) = delete;
  Meeting& operator=(const Meeting&) = delete;

  // Waits for all ranks; false once `given_up` is set.
  bool barrier(const std::atomic<bool>& given_up);
  void remove_name();  // all have mapped it

  Header& header_of(int rank);
  char* data_of(int rank);

 private:
  struct Shared;
  std::string name_;
  int rank_, ranks_;
  uint64_t phase_ = 0;
  Shared* shared_;
};

}  // namespace ddls::fake_cuda
