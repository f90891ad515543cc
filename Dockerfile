# The image that scripts/image writes, for those who build with a container engine. No base image: the files are made before by
# scripts/image, for each processor.
#
#   scripts/image && docker build -t sidecart:0.1.0 .
FROM scratch
ARG TARGETARCH
COPY .bin/image/linux-${TARGETARCH}/ /
USER 65532:65532
WORKDIR /
EXPOSE 8080/tcp
ENTRYPOINT ["/sidecart"]
CMD ["--help"]
