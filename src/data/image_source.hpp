#pragma once
// Encoded images (PNG, JPEG) that are read one at a time: members of tar shards, files of a folder.
#include <cstdint>
#include <string>

namespace ddls::data {

class ImageSource {
 public:
  virtual ~ImageSource() = default;
  virtual int64_t size() const = 0;
  // The encoded bytes of image `id`. Called in several threads at once. Throws Error: data (truncated), runtime (what
  // the system reports).
  virtual std::string bytes(int64_t id) const = 0;
  virtual std::string name(int64_t id) const = 0;  // file and member, for messages
  // Of all names and sizes, in order: the content itself is not read.
  virtual uint64_t digest() const = 0;
};

}  // namespace ddls::data
